"""Where the template comes from, and what the project remembers of it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from uv import find_uv_bin

from support import ROOT
from support.cli import dayone
from support.git import commit_all, git

CALM = ("--defaults", "--no-hooks")


def remembered(project: Path) -> tuple[str, str]:
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text())
    return answers["_src_path"], answers["_commit"]


def pushed_to(origin: str, template: Path) -> None:
    """Give a checkout an origin that has its commit, as after a push."""
    git(template, "remote", "add", "origin", origin)
    git(template, "update-ref", "refs/remotes/origin/main", "HEAD")


def test_an_unpublished_checkout_is_remembered_by_its_path(template: Path, dest: Path) -> None:
    result = dayone("new", dest, "--template", template, *CALM)
    assert remembered(dest)[0] == str(template)
    assert "this machine only" in result.err


def test_a_relative_path_is_remembered_as_absolute(template: Path, dest: Path) -> None:
    dayone("new", dest, "--template", template.name, *CALM, cwd=template.parent)
    assert remembered(dest)[0] == str(template)


def test_a_published_checkout_is_remembered_by_its_url(own_template: Path, dest: Path) -> None:
    pushed_to("https://git.example.com/team/template.git", own_template)
    result = dayone("new", dest, "--template", own_template, *CALM)
    assert remembered(dest)[0] == "https://git.example.com/team/template.git"
    assert "this machine only" not in result.err


def test_credentials_are_not_remembered(own_template: Path, dest: Path) -> None:
    pushed_to("https://ada:secret@git.example.com/template.git", own_template)
    dayone("new", dest, "--template", own_template, *CALM)
    assert remembered(dest)[0] == "https://git.example.com/template.git"


def test_a_commit_that_was_not_pushed_is_remembered_by_path(own_template: Path, dest: Path) -> None:
    pushed_to("https://git.example.com/template.git", own_template)
    (own_template / "template" / "new.txt").write_text("new")
    commit_all(own_template)
    dayone("new", dest, "--template", own_template, *CALM)
    assert remembered(dest)[0] == str(own_template)


def test_a_checkout_gives_its_head_though_it_has_tags(own_template: Path, dest: Path) -> None:
    git(own_template, "tag", "v1.0.0")
    (own_template / "template" / "new.txt").write_text("new")
    commit_all(own_template)
    dayone("new", dest, "--template", own_template, *CALM)
    assert (dest / "new.txt").exists()
    assert remembered(dest)[1].startswith("v1.0.0-1-g")


def test_vcs_ref_chooses_a_version(own_template: Path, dest: Path) -> None:
    git(own_template, "tag", "v1.0.0")
    (own_template / "template" / "new.txt").write_text("new")
    commit_all(own_template)
    dayone("new", dest, "--template", own_template, *CALM, "--vcs-ref", "v1.0.0")
    assert not (dest / "new.txt").exists()
    assert remembered(dest)[1] == "v1.0.0"


def test_a_url_gives_its_latest_release(own_template: Path, dest: Path) -> None:
    for tag in ("v1.9.0", "v1.10.0", "v2.0.0rc1"):
        (own_template / "template" / "version.txt").write_text(tag)
        commit_all(own_template)
        git(own_template, "tag", tag)
    url = f"file://{own_template}"
    dayone("new", dest, "--template", url, *CALM)
    assert (dest / "version.txt").read_text() == "v1.10.0"
    assert remembered(dest) == (url, "v1.10.0")


def test_a_bare_repository_will_do(own_template: Path, dest: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--bare", str(own_template), "bare.git")
    result = dayone("new", dest, "--template", tmp_path / "bare.git", *CALM)
    assert result.code == 0, result.err
    assert remembered(dest)[0] == str(tmp_path / "bare.git")


@pytest.mark.parametrize("path", ["template/extra.txt", "copier.yml"])
def test_a_dirty_checkout_is_refused(own_template: Path, dest: Path, path: str) -> None:
    with (own_template / path).open("a") as file:
        file.write("# changed\n")
    result = dayone("new", dest, "--template", own_template, *CALM)
    assert result.code == 1
    assert "--dev" in result.err
    assert not dest.exists()


def test_dev_takes_a_dirty_checkout_and_leaves_it_alone(own_template: Path, dest: Path) -> None:
    (own_template / "template" / "extra.txt").write_text("extra")
    before = (git(own_template, "status", "--porcelain"), git(own_template, "rev-parse", "HEAD"))
    result = dayone("new", dest, "--template", own_template, *CALM, "--dev")
    assert result.code == 0, result.err
    assert (dest / "extra.txt").read_text() == "extra"
    after = (git(own_template, "status", "--porcelain"), git(own_template, "rev-parse", "HEAD"))
    assert after == before


def test_a_project_of_a_snapshot_can_be_updated(own_template: Path, dest: Path) -> None:
    from copier import Settings, run_update

    (own_template / "template" / "extra.txt").write_text("extra")
    dayone("new", dest, "--template", own_template, *CALM, "--dev")
    commit_all(dest)
    for text in ("new", "newer"):  # Copier tells older from newer by the number of commits
        (own_template / "template" / "extra.txt").write_text(text)
        commit_all(own_template)
    run_update(dest, vcs_ref="HEAD", defaults=True, overwrite=True, quiet=True, settings=Settings())
    assert (dest / "extra.txt").read_text() == "newer"


@pytest.mark.parametrize(
    ("options", "word"), [(["--vcs-ref", "HEAD"], "--vcs-ref"), ([], "not one")]
)
def test_dev_is_for_a_checkout_as_it_is(
    own_template: Path, dest: Path, options: list[str], word: str
) -> None:
    source = own_template if options else f"file://{own_template}"
    result = dayone("new", dest, "--template", source, *CALM, "--dev", *options)
    assert result.code == 2
    assert word in result.err


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository's files, and dayone installed from it with `pip install .`."""
    folder = tmp_path_factory.mktemp("installed")
    clone = folder / "clone"
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, clone / name)
    commit_all(clone)
    uv = find_uv_bin()
    subprocess.run([uv, "venv", "--quiet", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, clone], check=True)
    return folder


def run_installed(installed: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [installed / "venv" / "bin" / "dayone", "new", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_installing_leaves_the_clone_clean(installed: Path) -> None:
    assert git(installed / "clone", "status", "--porcelain", "--ignored") == ""


def test_without_template_the_checkout_it_was_installed_from(installed: Path, dest: Path) -> None:
    result = run_installed(installed, dest, *CALM)
    assert result.returncode == 0, result.stderr
    assert remembered(dest)[0] == str(installed / "clone")


def test_a_checkout_that_is_gone_is_said(installed: Path, dest: Path) -> None:
    (installed / "clone").rename(installed / "moved")
    try:
        result = run_installed(installed, dest, *CALM)
    finally:
        (installed / "moved").rename(installed / "clone")
    assert result.returncode == 1
    assert "gone" in result.stderr
    assert not dest.exists()
