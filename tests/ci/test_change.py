"""`nox -s change` in an installed project: what is worse is refused, what is not judged says so."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.git import commit_all, git
from support.workplace import Workplace, install

REPORTS = ("reports/change.md", "reports/change.html")
TOOL = "python tools/change.py"
# Rows of a third kind, and numbers that tell them apart.
TABLE = "\n".join(
    ["width,length,kind", *(f"{n % 7},{n % 3 + n / 1e6},{'abc'[n % 3]}" for n in range(900))]
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    answers = ["serving=batch", "data_sources=files,sql"]
    return install(tmp_path_factory.mktemp("change") / "my-poc", answers, group="dev")


@pytest.fixture
def place(installed: Workplace, tmp_path: Path) -> Iterator[Workplace]:
    """A copy with one commit; what DVC has made of it before is known."""
    place = installed.copy(tmp_path / "my-poc")
    shutil.rmtree(place.folder / ".git", ignore_errors=True)
    cache = installed.folder.parent / "cache"
    (place.folder / ".dvc/config.local").write_text(f"[cache]\n    dir = {cache}\n")
    commit_all(place.folder, "Start")
    yield place
    assert not (place.folder / "var/change").exists()


def told(place: Workplace) -> list[str]:
    texts = [(place.folder / name).read_text(encoding="utf-8") for name in REPORTS]
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)|<script""", texts[1])
    return texts


def rewrite(place: Workplace, name: str, old: str, new: str) -> None:
    path = place.folder / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_features_that_are_worse_are_refused_and_words_are_not(place: Workplace) -> None:
    said = place.run(TOOL)
    assert "Passed: all gates" in said
    assert all("there is no commit before this one" in text for text in told(place))
    assert not (place.folder / "storage").exists()
    assert git(place.folder, "status", "--porcelain") == ""

    (place.folder / "docs/roadmap.md").write_text("# Another roadmap\n")
    commit_all(place.folder, "Words")
    place.run("nox -s change")
    for text in told(place):
        assert "Passed: all gates" in text
        assert "the model is the base&#39;s, byte for byte" in text.replace("'", "&#39;")
        assert "worse" not in text.replace("not worse than the champion", "")

    features = place.source().relative_to(place.folder) / "features.py"
    rewrite(place, str(features), '        "dep_delay": columns["dep_delay"],\n', "")
    base = git(place.folder, "rev-parse", "HEAD")
    said = place.run(TOOL, 3)  # compared with the commit that it is not in yet
    assert "Refused" in said
    for text in told(place):
        assert "not worse than the champion" in text
        assert f"Compared with {base[:12]}" in text
        assert "feature dep_delay" in text
    assert "| ROC AUC |" in told(place)[0]
    assert "**failed**" in told(place)[0]
    commit_all(place.folder, "Worse")
    assert "Refused" in place.run(f"nox -s change -- {base}", 1)


@pytest.mark.more
def test_own_data_are_judged_where_their_versions_are_shared(
    place: Workplace, tmp_path: Path
) -> None:
    (tmp_path / "kinds.csv").write_text(TABLE)
    place.run(f"my-poc use-data {tmp_path / 'kinds.csv'} --target kind")
    commit_all(place.folder, "Own data")
    said = place.run(TOOL)
    assert "Not judged" in said
    assert "Committed samples stand in for kinds" in told(place)[0]

    place.run(f"my-poc use-store {tmp_path / 'shared'}")
    place.run("my-poc ingest && dvc push")
    commit_all(place.folder, "Shared")
    shutil.rmtree(place.folder / "data/landing")
    (place.folder / ".dvc/config.local").unlink()  # a runner has no cache
    said = place.run(f"{TOOL} HEAD~1")
    assert "Passed: all gates" in said
    text = told(place)[0]
    assert "Committed samples stand in" not in text
    assert not list((tmp_path / "shared").glob("models/*"))


@pytest.mark.more
def test_a_source_that_no_runner_reaches(place: Workplace) -> None:
    rewrite(
        place,
        "params.yaml",
        "# sources:\n",
        "sources:\n  flights: {kind: sql, url_from: BOOKINGS_URL, table: bookings}\n# sources:\n",
    )
    commit_all(place.folder, "From a database")
    said = place.run(TOOL)
    assert "Not judged" in said
    assert "Committed samples stand in for flights" in told(place)[0]


def test_what_breaks_is_one_line(place: Workplace) -> None:
    assert place.run(f"{TOOL} no-such-commit", 1).startswith("Error: no-such-commit is no commit")
    rewrite(place, "params.yaml", "  trees: 300", "  trees: 0")
    said = place.run(TOOL, 1)
    assert said.splitlines()[-1].startswith("Error: ingest: params.yaml: model.trees: ")
    assert not (place.folder / REPORTS[0]).exists()
