"""Bad input ends in one clear message, exit code 1 or 2, and nothing written."""

import os
from pathlib import Path

import pytest

from support.cli import Result, dayone
from support.git import commit_all, git

CALM = ("--defaults", "--no-hooks")


def refused(result: Result, code: int, *words: str) -> None:
    """One message that says all of these words, and this exit code."""
    assert result.code == code, result
    errors = [line for line in result.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, result.err
    for word in words:
        assert word in errors[0]


def test_dest_that_is_not_empty(template: Path, dest: Path) -> None:
    dest.mkdir()
    (dest / "mine.txt").write_text("mine")
    refused(dayone("new", dest, "--template", template, *CALM), 1, str(dest), "not empty")
    assert [path.name for path in dest.iterdir()] == ["mine.txt"]


def test_dest_that_is_a_file(template: Path, dest: Path) -> None:
    dest.write_text("mine")
    refused(dayone("new", dest, "--template", template, *CALM), 1, "is a file")
    assert dest.read_text() == "mine"


def test_dest_below_a_file(template: Path, dest: Path) -> None:
    dest.write_text("mine")
    refused(dayone("new", dest / "deep", "--template", template, *CALM), 1, "is a file")


def test_dest_that_cannot_be_written(template: Path) -> None:
    refused(dayone("new", "/proc/my-poc", "--template", template, *CALM), 1, "cannot be made")


def test_dest_inside_another_work_tree_is_said(template: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    (outer / "README.md").write_text("outer")
    before = commit_all(outer)
    result = dayone("new", outer / "my-poc", "--template", template, "--defaults")
    assert result.code == 0, result.err
    assert f"lies in the git repository {outer}" in result.err
    assert not (outer / "my-poc" / ".git").exists()
    assert (outer / "my-poc" / "uv.lock").exists()
    assert git(outer, "rev-parse", "HEAD") == before


def test_no_git(template: Path, dest: Path) -> None:
    refused(dayone("new", dest, "--template", template, *CALM, PATH="/nowhere"), 1, "git was not")
    assert not dest.exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("projct_name=x", ("projct_name", "Did you mean project_name?")),
        ("zzz=x", ("zzz", "There are: aws_region, azure_location, ca_bundle")),
        ("slug=x", ("slug", "follows from other answers")),
        ("package=x", ("package", "follows from other answers")),
        ("owner", ("NAME=VALUE", "'owner'")),
        ("serving=", ("serving", "at least one")),
        ("serving=both", ("serving", "'both'", "'realtime', 'batch'")),
        ("python_version=3.10", ("python_version", "3.10")),
    ],
)
def test_answer_that_does_not_fit(
    template: Path, dest: Path, given: str, words: tuple[str, ...]
) -> None:
    refused(dayone("new", dest, "--template", template, *CALM, "-d", given), 2, *words)
    assert not dest.exists()


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("北京", "Latin letter"),
        ("123", "Latin letter"),
        ("3D model", "digit"),
        ("class", "Python language"),
        ("JSON", "standard library"),
        ("Scikit Learn", "project uses"),
        ("../x", "not a path"),
        ("a\tb", "control characters"),
        ("x" * 300, "At most 50"),
        ("", "empty"),
    ],
)
def test_name_that_cannot_be_one(template: Path, dest: Path, name: str, word: str) -> None:
    result = dayone("new", dest, "--template", template, *CALM, "-d", f"project_name={name}")
    refused(result, 2, "project_name", word)
    assert not dest.exists()


@pytest.mark.parametrize("question", ["description", "owner"])
def test_text_with_control_characters(template: Path, dest: Path, question: str) -> None:
    result = dayone("new", dest, "--template", template, *CALM, "-d", f"{question}=a\nb")
    refused(result, 2, question, "control characters")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("a: [", "not YAML"),
        ("- a\n", "mapping"),
        ("ownr: x\n", "Did you mean owner?"),
        (None, "cannot be read"),
    ],
)
def test_data_file_that_is_none(
    template: Path, dest: Path, tmp_path: Path, content: str | None, word: str
) -> None:
    file = tmp_path / "answers.yml"
    if content is not None:
        file.write_text(content)
    result = dayone("new", dest, "--template", template, *CALM, "--data-file", file)
    refused(result, 2, word)


def test_open_questions_without_a_terminal(template: Path, dest: Path) -> None:
    refused(dayone("new", dest, "--template", template), 2, "--defaults")
    assert not dest.exists()


def test_unknown_option() -> None:
    assert dayone("new", "x", "--colour", "red").code == 2


def test_template_that_is_nowhere(dest: Path) -> None:
    refused(dayone("new", dest, "--template", "/nowhere/template", *CALM), 1, "/nowhere/template")


def test_template_url_that_cannot_be_read(dest: Path, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/nowhere.git"
    refused(dayone("new", dest, "--template", url, *CALM), 1, url, "cannot be read")


def test_template_that_is_not_a_repository(dest: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    refused(dayone("new", dest, "--template", tmp_path / "plain", *CALM), 1, "not a git repository")


def test_repository_that_is_not_a_template(dest: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "README.md").write_text("x")
    commit_all(tmp_path / "other")
    refused(dayone("new", dest, "--template", tmp_path / "other", *CALM), 1, "no copier.yml")


def test_unknown_tag(template: Path, dest: Path) -> None:
    result = dayone("new", dest, "--template", template, *CALM, "--vcs-ref", "v9.9.9")
    refused(result, 1, "v9.9.9")
    assert not dest.exists()


def test_unknown_tag_names_the_latest(own_template: Path, dest: Path) -> None:
    git(own_template, "tag", "v1.9.0")
    git(own_template, "tag", "v1.10.0")
    result = dayone("new", dest, "--template", own_template, *CALM, "--vcs-ref", "v9.9.9")
    refused(result, 1, "v1.10.0")


def test_template_that_runs_code(own_template: Path, dest: Path) -> None:
    with (own_template / "copier.yml").open("a") as file:
        file.write("_tasks: [touch hacked]\n")
    commit_all(own_template)
    refused(dayone("new", dest, "--template", own_template, *CALM), 1, "run code")
    assert not dest.exists()


def test_template_with_an_undefined_variable(own_template: Path, dest: Path) -> None:
    (own_template / "template" / "x.txt.jinja").write_text("{{ nothing_of_that_name }}")
    commit_all(own_template)
    refused(dayone("new", dest, "--template", own_template, *CALM), 1, "nothing_of_that_name")
    assert not dest.exists()


@pytest.mark.parametrize("option", ["--table=t.csv", "--run"])
def test_project_code_without_hooks(template: Path, dest: Path, option: str) -> None:
    target = ["--target", "y"] if "table" in option else []
    result = dayone("new", dest, "--template", template, *CALM, option, *target)
    refused(result, 2, "--no-hooks")


def test_git_variables_of_a_caller_are_not_obeyed(
    template: Path, dest: Path, tmp_path: Path
) -> None:
    result = dayone("new", dest, "--template", template, *CALM, GIT_DIR=str(tmp_path / "nowhere"))
    assert result.code == 0, result.err


def test_ctrl_c_while_the_program_loads(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt")
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    result = dayone("--version", PYTHONPATH=os.pathsep.join(paths))
    assert (result.code, result.err) == (130, "Interrupted.\n")
