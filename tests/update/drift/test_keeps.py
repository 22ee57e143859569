"""Opt-outs of drift, in a project's dayone.toml."""

from pathlib import Path

import pytest

from dayone.errors import DayoneError
from dayone.keeps import Keep, read_keeps, refuse_idle
from support.drift import TODAY, YESTERDAY, drift, keep, refused, report


def test_an_opt_out_is_no_finding_up_to_its_last_day(drifted: Path) -> None:
    keep(drifted, "noxfile.py")
    keep(drifted, "/tools/")
    out = drift(drifted).out
    assert f"~ noxfile.py  changed, until {TODAY}: Ours is faster." in out
    assert f"- tools/prüfung.py  deleted, until {TODAY}: Ours is faster." in out
    assert "No drift but for what is kept." in out
    found = report(drifted)
    assert found["findings"] == []
    assert next(file for file in found["files"] if file["path"] == "noxfile.py")["keep"] == {
        "path": "noxfile.py",
        "reason": "Ours is faster.",
        "until": TODAY.isoformat(),
        "expired": False,
    }


def test_an_opt_out_that_has_expired_is_a_finding_again(drifted: Path) -> None:
    keep(drifted, "noxfile.py", YESTERDAY)
    keep(drifted, "tools")
    out = drift(drifted, code=3).out
    assert f"~ noxfile.py  changed, opt-out expired on {YESTERDAY}: Ours is faster." in out
    assert "give expired opt-outs a later day, in dayone.toml" in out
    assert "[[keep]]" not in out
    assert report(drifted, code=3)["findings"] == ["noxfile.py"]


def test_of_two_opt_outs_the_later_one_counts(drifted: Path) -> None:
    keep(drifted, "noxfile.py")
    keep(drifted, "tools", YESTERDAY)
    keep(drifted, "tools/*")
    drift(drifted)


def test_an_opt_out_of_a_file_that_has_not_drifted_yet(project: Path) -> None:
    keep(project, "noxfile.py", YESTERDAY)
    drift(project)


def test_an_opt_out_that_covers_no_file_of_the_template(project: Path) -> None:
    keep(project, "params.yaml")
    assert "dayone.toml keeps params.yaml, but v1.0.0 brings no file of owner" in refused(project)


@pytest.mark.parametrize("path", ["noxfile", "docs", "/", ".", "*.py/x", "tools/*/x"])
def test_a_path_that_covers_nothing(path: str) -> None:
    idle, used = (Keep(path, "Ours.", TODAY) for path in (path, "tools"))
    with pytest.raises(DayoneError, match="brings no file of owner template there"):
        refuse_idle([used, idle], ["noxfile.py", "tools/check.sh"], "v1.0.0")


GOOD = {"path": '"noxfile.py"', "reason": '"Ours."', "until": "2999-12-31"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reason": None}, "number 1 needs a reason: why it has to differ"),
        ({"reason": '"  "'}, "number 1 needs a reason"),
        ({"reason": "1"}, "number 1 needs a reason"),
        ({"path": None}, "number 1 needs a path"),
        ({"path": '["noxfile.py"]'}, "number 1 needs a path"),
        ({"until": None}, "number 1 needs until: its last day, as in until = 2030-12-31, unquoted"),
        ({"until": '"2999-12-31"'}, "number 1 needs until"),
        ({"until": "2999-12-31T10:00:00"}, "number 1 needs until"),
        ({"unitl": "2999-12-31"}, "number 1 has an unknown key unitl. There are: path, reason"),
    ],
)
def test_an_opt_out_that_is_not_whole(
    tmp_path: Path, change: dict[str, str | None], words: str
) -> None:
    lines = [f"{name} = {value}\n" for name, value in (GOOD | change).items() if value is not None]
    (tmp_path / "dayone.toml").write_text("[[keep]]\n" + "".join(lines))
    assert words in unread(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[[keep]\n", "is not TOML"),
        (b"\xff\n", "is not TOML"),
        (b"keeps = 1\n", "has an unknown key keeps"),
        (b"[keep]\n", "each opt-out is a table of its own, under the line [[keep]]"),
        (b"keep = ['noxfile.py']\n", "each opt-out is a table of its own"),
    ],
)
def test_a_file_of_opt_outs_that_is_none(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "dayone.toml").write_bytes(content)
    assert words in unread(tmp_path)


def test_a_folder_in_place_of_the_opt_outs(tmp_path: Path) -> None:
    (tmp_path / "dayone.toml").mkdir()
    assert "dayone.toml cannot be read" in unread(tmp_path)


def unread(project: Path) -> str:
    with pytest.raises(DayoneError) as caught:
        read_keeps(project)
    message = str(caught.value)
    assert message.startswith(str(project / "dayone.toml"))
    return message


def test_the_opt_out_that_is_proposed_wants_a_reason_and_then_works(project: Path) -> None:
    (project / "tools/prüfung.py").unlink()
    table = "[[keep]]" + drift(project, code=3).out.partition("[[keep]]")[2]
    (project / "dayone.toml").write_text(table)
    assert "needs a reason" in refused(project)
    (project / "dayone.toml").write_text(table.replace('""', '"Not used here."'))
    assert "- tools/prüfung.py  deleted, until " in drift(project).out
