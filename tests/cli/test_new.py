"""`dayone new` makes the project that was asked for, and says so."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.cli import dayone, talk
from support.git import git

CALM = ("--defaults", "--no-hooks")


def answers(project: Path) -> dict[str, Any]:
    return yaml.safe_load((project / ".copier-answers.yml").read_text())


def test_defaults_render_the_template(template: Path, dest: Path) -> None:
    result = dayone("new", dest, "--template", template, *CALM)
    assert result.code == 0, result.err
    assert sorted(path.name for path in dest.iterdir()) == [
        ".copier-answers.yml",
        "README.md",
        "pyproject.toml",
        "src",
    ]


def test_the_folder_names_the_project(template: Path, tmp_path: Path) -> None:
    dayone("new", tmp_path / "late-flights", "--template", template, *CALM)
    assert answers(tmp_path / "late-flights")["project_name"] == "late-flights"


def test_a_folder_that_cannot_name_it_leaves_the_default(template: Path, tmp_path: Path) -> None:
    result = dayone("new", tmp_path / "json", "--template", template, *CALM)
    assert answers(tmp_path / "json")["project_name"] == "My PoC"
    assert "json cannot be a project's name" in result.err


def test_the_current_folder_will_do(template: Path, tmp_path: Path) -> None:
    (tmp_path / "churn").mkdir()
    result = dayone("new", ".", "--template", template, *CALM, cwd=tmp_path / "churn")
    assert result.code == 0, result.err
    assert answers(tmp_path / "churn")["project_name"] == "churn"
    assert not list((tmp_path / "churn").glob(".dayone-*"))


def test_missing_parents_are_made(template: Path, tmp_path: Path) -> None:
    dest = tmp_path / "a" / "b" / "my-poc"
    assert dayone("new", dest, "--template", template, *CALM).code == 0
    assert (dest / "README.md").exists()


def test_nothing_but_the_project_is_left(template: Path, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    dayone("new", tmp_path / "here" / "my-poc", "--template", template, *CALM)
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["my-poc"]


def test_data_answers_a_question(template: Path, dest: Path) -> None:
    dayone("new", dest, "--template", template, *CALM, "-d", "owner=Retention team")
    assert answers(dest)["owner"] == "Retention team"


@pytest.mark.parametrize("given", ["batch", "[batch]", " batch "])
def test_one_of_several_choices(template: Path, dest: Path, given: str) -> None:
    dayone("new", dest, "--template", template, *CALM, "-d", f"serving={given}")
    assert answers(dest)["serving"] == ["batch"]


@pytest.mark.parametrize("given", ["realtime,batch", "[realtime, batch]", "[batch,realtime]"])
def test_several_choices(template: Path, dest: Path, given: str) -> None:
    dayone("new", dest, "--template", template, *CALM, "-d", f"serving={given}")
    assert answers(dest)["serving"] == ["realtime", "batch"]


def test_a_data_file_answers_and_the_command_line_goes_first(
    template: Path, dest: Path, tmp_path: Path
) -> None:
    file = tmp_path / "answers.yml"
    file.write_text("owner: Platform\npython_version: '3.11'\nserving: [batch]\n")
    dayone("new", dest, "--template", template, *CALM, "--data-file", file, "-d", "owner=Ada")
    given = answers(dest)
    assert (given["owner"], given["python_version"], given["serving"]) == ("Ada", "3.11", ["batch"])


def test_the_answers_of_another_project_will_do(template: Path, dest: Path, tmp_path: Path) -> None:
    dayone("new", tmp_path / "first", "--template", template, *CALM, "-d", "owner=Ada")
    first = tmp_path / "first" / ".copier-answers.yml"
    result = dayone("new", dest, "--template", template, *CALM, "--data-file", first)
    assert result.code == 0, result.err
    assert answers(dest)["owner"] == "Ada"


def test_settings_of_copier_do_not_reach_in(template: Path, dest: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings.yml"
    settings.write_text("defaults: {slug: hijacked, owner: hijacked}\n")
    variable = {"COPIER_SETTINGS_PATH": str(settings)}
    dayone("new", dest, "--template", template, *CALM, **variable)
    assert "hijacked" not in (dest / "pyproject.toml").read_text()
    assert answers(dest)["owner"] == "Data team"


def test_accents_give_a_plain_package(template: Path, dest: Path) -> None:
    dayone("new", dest, "--template", template, *CALM, "-d", "project_name=Prévision Élevée")
    pyproject = tomllib.loads((dest / "pyproject.toml").read_text())
    assert pyproject["project"]["name"] == "prevision-elevee"
    assert (dest / "src" / "prevision_elevee").is_dir()


def test_braces_and_quotes_are_plain_text(template: Path, dest: Path) -> None:
    name = """A "b" 'c' {{ 7*7 }}"""
    dayone("new", dest, "--template", template, *CALM, "-d", f"project_name={name}")
    assert answers(dest)["project_name"] == name
    assert (dest / "README.md").read_text() == f"# {name}\n"


def test_the_summary_tells_answers_files_and_data(template: Path, dest: Path) -> None:
    out = dayone("new", dest, "--template", template, *CALM).out
    assert str(dest) in out
    assert "Data team" in out
    assert "4: src 1, 3 beside them" in out
    assert "the sample that comes with it" in out


def test_without_hooks_the_next_commands_are_printed(template: Path, dest: Path) -> None:
    out = dayone("new", dest, "--template", template, *CALM).out
    assert f"cd {dest}" in out
    assert "git init -b main" in out
    assert "lock" in out


def test_json_is_one_object_on_stdout(template: Path, dest: Path) -> None:
    report = json.loads(dayone("new", dest, "--template", template, *CALM, "--json").out)
    assert report["dest"] == str(dest)
    assert report["answers"]["serving"] == ["realtime", "batch"]
    assert report["template"] == str(template)
    assert report["commit"] == git(template, "describe", "--tags", "--always")
    assert "src/my_poc/__init__.py" in report["files"]
    assert report["hooks"] is False
    assert len(report["warnings"]) == 1


def test_questions_are_asked_and_then_consent(template: Path, dest: Path) -> None:
    keys = [
        ("What people call", "\r"),
        ("What does it predict", "\r"),
        ("Who answers", " of ours\r"),
        ("Which Python", "\r"),
        ("How are predictions", "\r"),
        ("Where will data", "\r"),
        ("Where does the data", "\r"),
        ("Where will changes", "\r"),
        ("How many people", "\r"),
        ("Has your organisation", "\r"),
        ("Start a git repository", "n"),
    ]
    result = talk(["new", dest, "--template", template], keys=keys)
    assert result.code == 0, result.out
    assert answers(dest)["owner"] == "Data team of ours"
    assert not (dest / ".git").exists()


def test_answers_bring_questions_of_their_own(template: Path, dest: Path) -> None:
    """A region for the cloud that was chosen and no other, and which warehouse it is."""
    down = "\x1b[B"
    keys = [
        ("Where will data", f"{down * 4}\r"),
        ("Which cloud is the public half", f"{down}\r"),
        ("In which region of Google", "\r"),
        ("Where does the data", f"{down * 3} \r"),
        ("Which warehouse", f"{down}\r"),
        ("Where will changes", f"{down}\r"),
        ("How many people", f"{down}\r"),
        ("Who reviews changes of data", "@acme/data\r"),
        ("Who reviews changes of features", "\r"),
        ("Who reviews changes of pipelines", "\r"),
        ("Who reviews changes of rules", "\r"),
        ("Has your organisation", "y"),
        ("The URL of its package index", "\r"),
        ("Where is the bundle", "\r"),
        ("From which registry", "\r"),
        ("The label of its runners", "linux-ml\r"),
        ("The host of its own", "\r"),
        ("Which tags", "\r"),
    ]
    named = ["project_name=x y", "description=d", "owner=o", "python_version=3.12", "serving=batch"]
    given = [part for answer in named for part in ("-d", answer)]
    result = talk(["new", dest, "--template", template, "--no-hooks", *given], keys=keys)
    assert result.code == 0, result.out
    asked = {name: answer for name, answer in answers(dest).items() if name[0] != "_"}
    assert asked == {
        **{name: value for name, _, value in (one.partition("=") for one in named)},
        "serving": ["batch"],
        "cloud": "hybrid",
        "public_cloud": "gcp",
        "gcp_region": "europe-west3",
        "data_sources": ["files", "warehouse"],
        "warehouse": "snowflake",
        "ci": "gitlab",
        "team_size": "small",
        "data_owners": "@acme/data",
        **dict.fromkeys(["model_owners", "platform_owners", "security_owners"], ""),
        "organisation": True,
        "runner_label": "linux-ml",
        **dict.fromkeys(["package_index", "ca_bundle", "image_registry"], ""),
        **dict.fromkeys(["forge_host", "mandatory_tags"], ""),
        "migrated": [],
    }


def test_consent_runs_the_hook(template: Path, dest: Path) -> None:
    keys = [("Start a git repository", "y")]
    given = ["-d", "project_name=x y", "-d", "description=d", "-d", "owner=o"]
    choices = ["python_version=3.12", "serving=batch", "cloud=onprem", "data_sources=files"]
    choices += ["ci=github", "team_size=solo", "organisation=false"]
    given += [part for choice in choices for part in ("-d", choice)]
    result = talk(["new", dest, "--template", template, *given], keys=keys)
    assert result.code == 0, result.out
    assert git(dest, "log", "--format=%s") == "Start x y"


@pytest.mark.parametrize("asked", ["What does it predict", "Start a git repository"])
def test_ctrl_c_leaves_nothing(template: Path, tmp_path: Path, asked: str) -> None:
    (tmp_path / "here").mkdir()
    keys = [("What people call", "\r"), ("What does it predict", "\r"), ("Who answers", "\r")]
    keys += [("Which Python", "\r"), ("How are predictions", "\r"), ("Where will data", "\r")]
    keys += [("Where does the data", "\r"), ("Where will changes", "\r")]
    keys += [("How many people", "\r"), ("Has your organisation", "\r"), ("Start a git", "y")]
    keys = [(text, "\x03" if text in asked else key) for text, key in keys]
    result = talk(["new", tmp_path / "here" / "my-poc", "--template", template], keys=keys)
    assert result.code == 130, result.out
    assert "Interrupted" in result.out
    assert not list((tmp_path / "here").iterdir())


def test_ctrl_c_in_the_hook_leaves_nothing(own_template: Path, dest: Path) -> None:
    (own_template / "hooks" / "after_copy.py").write_text(
        "import time\n"
        """print('{"event": "doing", "text": "Waiting"}', flush=True)\n"""
        "time.sleep(30)\n"
    )
    arguments = ["new", dest, "--template", own_template, "--defaults", "--dev"]
    result = talk(arguments, keys=[("Waiting", "\x03")])
    assert result.code == 130, result.out
    assert not dest.exists()


def test_version_is_the_packages() -> None:
    from dayone import __version__

    assert dayone("--version").out == f"dayone {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["new", "--help"]])
def test_help_has_an_example(arguments: list[str]) -> None:
    assert "dayone new my-poc --defaults --run" in dayone(*arguments, COLUMNS="120").out
