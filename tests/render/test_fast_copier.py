"""Copier as it is against Copier in a `faster()` block: the same files, bytes and modes."""

import stat
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import copier
import pytest
from copier import Settings, _main, run_copy, run_recopy, run_update
from plumbum import local

from dayone.fast_copier import faster
from support import ROOT
from support.git import commit_all, git
from support.rendering import snapshot

ANSWERS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "batch only": {"serving": ["batch"]},
    "realtime only": {"serving": ["realtime"], "python_version": "3.11"},
    "not ASCII": {
        "project_name": "Spät",
        "description": 'Says "$5" ½ {{ 7 * 7 }} 🚆',
        "owner": "Ø",
    },
}
REPLACED = (
    (_main, "SandboxedEnvironment"),
    (_main, "Template"),
    (_main.Worker, "answers_relpath"),
    (_main.Worker, "_sync_git_index_executable_bit"),
)
QUIET = {"defaults": True, "overwrite": True, "quiet": True, "settings": Settings()}

State = dict[str, tuple[int, bytes]]
Render = Callable[[Path], object]


class Version(NamedTuple):
    """A template at one commit."""

    folder: Path
    commit: str

    def copy(self, dest: Path, answers: Mapping[str, Any] | None = None) -> None:
        run_copy(str(self.folder), dest, data=dict(answers or {}), vcs_ref=self.commit, **QUIET)


def template(folder: Path, files: dict[str, str]) -> Version:
    """Commit a template of these files, with an answers file that holds its answers."""
    answers = {"{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers | to_nice_yaml }}"}
    for name, content in {**answers, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return Version(folder, commit_all(folder))


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Version, Version]:
    """The real template at two tags that differ in a text, a mode and a path."""
    folder = tmp_path_factory.mktemp("versions") / "template"
    git(ROOT, "clone", "--quiet", str(snapshot().repository), str(folder))
    git(folder, "tag", "v1.0.0")
    old = git(folder, "rev-parse", "HEAD")
    readme = folder / "template/README.md.jinja"
    readme.write_text(readme.read_text() + "\n{{ project_name }} has a second version.\n")
    readme.chmod(0o755)
    (folder / "template/docs/{{ package }}.md").write_text("New.\n")
    new = commit_all(folder)
    git(folder, "tag", "v1.1.0")
    return Version(folder, old), Version(folder, new)


def state(folder: Path) -> State:
    """Each path below a folder with its mode and, if it is a file, its bytes."""
    paths = [path for path in folder.rglob("*") if ".git" not in path.relative_to(folder).parts]
    assert paths
    return {
        path.relative_to(folder).as_posix(): (
            stat.S_IMODE(path.stat().st_mode),
            path.read_bytes() if path.is_file() else b"",
        )
        for path in paths
    }


def same(folder: Path, *renders: Render) -> list[State]:
    """Run renders in one `faster()` block, each again without, and compare what they wrote."""
    found = []
    with faster() as proved:
        assert proved
        for number, render in enumerate(renders):
            render(folder / "fast" / str(number) / "my-poc")
            found.append(state(folder / "fast" / str(number) / "my-poc"))
    for number, render in enumerate(renders):
        render(folder / "stock" / str(number) / "my-poc")
        assert found[number] == state(folder / "stock" / str(number) / "my-poc"), number
    return found


@pytest.mark.parametrize("name", ANSWERS)
def test_two_versions_and_other_answers_in_one_process(
    name: str, versions: tuple[Version, Version], tmp_path: Path
) -> None:
    old, new = versions
    written = same(
        tmp_path,
        lambda dest: old.copy(dest, ANSWERS[name]),
        lambda dest: new.copy(dest, ANSWERS[name]),
        lambda dest: old.copy(dest, {"project_name": "Another", "owner": "Somebody else"}),
    )
    assert [b"second version" in one["README.md"][1] for one in written] == [False, True, False]
    assert [bool(one["README.md"][0] & stat.S_IXUSR) for one in written] == [False, True, False]
    assert [b"v1.1.0" in one[".copier-answers.yml"][1] for one in written] == [False, True, False]


def test_answers_of_a_project_rendered_anew(
    versions: tuple[Version, Version], tmp_path: Path
) -> None:
    """As an update renders: into a folder with nothing but the answers file."""
    old, new = versions

    def again(changes: dict[str, Any]) -> Render:
        def render(dest: Path) -> None:
            old.copy(dest.parent / "before", {"owner": "Kept", "serving": ["batch"]})
            dest.mkdir()
            (dest.parent / "before/.copier-answers.yml").rename(dest / ".copier-answers.yml")
            run_recopy(dest, data=changes, vcs_ref=new.commit, skip_answered=True, **QUIET)

        return render

    kept, changed = same(tmp_path, again({}), again({"serving": ["realtime"]}))
    assert b"owner: Kept" in kept[".copier-answers.yml"][1]
    assert "tests/servers.py" in changed.keys() - kept.keys()


def test_update_in_the_block_of_a_copy(versions: tuple[Version, Version], tmp_path: Path) -> None:
    """The operation is part of the rules: what is written once does not come back."""
    old, new = versions
    seed = "contracts/flights.odcs.yaml"

    def update(dest: Path) -> None:
        old.copy(dest)
        (dest / seed).unlink()
        commit_all(dest)
        run_update(dest, vcs_ref=new.commit, **QUIET)

    copied, updated = same(tmp_path, new.copy, update)
    assert seed in copied.keys() - updated.keys()
    assert copied["README.md"] == updated["README.md"]


def test_templates_that_take_turns_at_one_path(tmp_path: Path) -> None:
    """Equal text means another thing by an include, by an answer, by Jinja's own settings."""
    body = "{% include 'part.txt' %}{{ one }}[[ one ]]\n"
    brackets = '_envops: {variable_start_string: "[[", variable_end_string: "]]"}\n'
    parts = {"a": "one: 1\n", "b": "one: 2\n", "c": brackets + "one: 3\n"}

    def turn(name: str, config: str) -> Render:
        files = {"text.txt.jinja": body, "part.txt": f"{name} {{{{ one }}}} ", "copier.yml": config}
        _, commit = template(tmp_path / name, files)

        def render(dest: Path) -> None:
            (tmp_path / name).rename(tmp_path / "template")
            Version(tmp_path / "template", commit).copy(dest)
            (tmp_path / "template").rename(tmp_path / name)

        return render

    written = same(tmp_path, *(turn(name, config) for name, config in parts.items()))
    assert [one["text.txt"][1].decode() for one in written] == [
        "a 1 1[[ one ]]\n",
        "b 2 2[[ one ]]\n",
        "c {{ one }} {{ one }}3\n",
    ]


def test_commit_that_is_tagged_between_two_renders(tmp_path: Path) -> None:
    made = template(tmp_path / "template", {"copier.yml": "one: 1\n"})

    def tagged(*names: str) -> Render:
        def render(dest: Path) -> None:
            for name in git(made.folder, "tag").split():
                git(made.folder, "tag", "--delete", name)
            for name in names:
                git(made.folder, "tag", name)
            made.copy(dest)

        return render

    before, after = same(tmp_path, tagged(), tagged("v1.0.0"))
    assert b"v1.0.0" not in before[".copier-answers.yml"][1]
    assert b"_commit: v1.0.0" in after[".copier-answers.yml"][1]


def test_loop_over_paths_beside_other_paths(tmp_path: Path) -> None:
    """Copier resets its yield tag when it compiles, and equal text is compiled once."""
    loop = "{% yield item from items %}{{ item }}{% endyield %}"
    made = template(
        tmp_path / "template",
        {
            "copier.yml": "items: {type: yaml, default: [a, b]}\n",
            f"{loop}.txt.jinja": "{{ item }}\n",
            f"x/{loop}/{{{{ item }}}}.txt.jinja": "{{ item }}\n",
            "plain.txt.jinja": "{{ items }}\n",
        },
    )
    more = {"items": ["b", "c"]}
    first, _, _ = same(tmp_path, made.copy, lambda dest: made.copy(dest, more), made.copy)
    assert {"a.txt", "b.txt", "x/a/a.txt", "x/b/b.txt", "plain.txt"} <= first.keys()


def test_name_of_the_answers_file_that_depends_on_an_answer(tmp_path: Path) -> None:
    """It is asked for before the answer is given, and must not be remembered from then."""
    made = template(
        tmp_path / "template",
        {
            "copier.yml": '_answers_file: ".{{ team | default(0) }}.yml"\n'
            'before: "{{ _copier_conf.answers_file }}"\nteam: red\n',
        },
    )
    red, blue = same(tmp_path, made.copy, lambda dest: made.copy(dest, {"team": "blue"}))
    assert b"before: .0.yml" in red[".red.yml"][1]
    assert ".blue.yml" in blue


def test_modes_in_a_repository_that_does_not_read_them(tmp_path: Path) -> None:
    """Where core.fileMode is false, Copier writes a new mode into the project's index."""
    made = template(tmp_path / "template", {"copier.yml": "one: 1\n", "run.sh": "true\n"})
    (made.folder / "run.sh").chmod(0o755)
    executable = Version(made.folder, commit_all(made.folder))
    modes = []

    def over_a_repository(dest: Path) -> None:
        made.copy(dest)
        commit_all(dest)
        git(dest, "config", "core.fileMode", "false")
        executable.copy(dest)
        modes.append(git(dest, "ls-files", "--stage", "run.sh").split()[0])

    same(tmp_path, over_a_repository)
    assert modes == ["100755", "100755"]


def test_random_value_differs_from_project_to_project(tmp_path: Path) -> None:
    body = "{{ 1000000000000000 | ans_random }}\n"
    made = template(tmp_path / "template", {"copier.yml": "one: 1\n", "secret.txt.jinja": body})
    with faster():
        for name in ("one", "two"):
            made.copy(tmp_path / name)
    assert (tmp_path / "one/secret.txt").read_text() != (tmp_path / "two/secret.txt").read_text()


def test_submodule_is_rendered(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "part.txt.jinja").write_text("{{ one }}\n")
    commit_all(inner)
    outer = template(tmp_path / "outer", {"copier.yml": "one: 1\n"})
    add = ("submodule", "--quiet", "add", str(inner), "inside")
    git(outer.folder, "-c", "protocol.file.allow=always", *add)
    made = Version(outer.folder, commit_all(outer.folder))
    allow = {"COUNT": "1", "KEY_0": "protocol.file.allow", "VALUE_0": "always"}
    with local.env(**{f"GIT_CONFIG_{name}": value for name, value in allow.items()}):
        (written,) = same(tmp_path, made.copy)
    assert written["inside/part.txt"][1] == b"1\n"


def test_work_is_saved_and_nothing_is_left(
    versions: tuple[Version, Version], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    start = subprocess.Popen.__init__

    def counted(process: Any, command: Any, *rest: Any, **options: Any) -> None:
        started.append(command)
        start(process, command, *rest, **options)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with faster():
        versions[0].copy(tmp_path / "first")
        monkeypatch.setattr(subprocess.Popen, "__init__", counted)
        versions[0].copy(tmp_path / "second")
        assert len(started) == 2, started  # the tags, and core.fileMode
    assert not list((tmp_path / "temporary").iterdir())
    started.clear()
    versions[0].copy(tmp_path / "third")
    assert len(started) > len(state(tmp_path / "third")) / 2


def test_only_a_proved_version_is_touched_and_only_in_the_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def now() -> list[Any]:
        return [vars(owner)[name] for owner, name in REPLACED]

    stock = now()
    with faster() as proved:
        assert proved
        fast = now()
        assert not any(one is other for one, other in zip(stock, fast, strict=True))
        with faster() as nested:
            assert nested
            assert now() == fast
        assert now() == fast
    assert now() == stock
    with pytest.raises(ZeroDivisionError), faster():
        raise ZeroDivisionError
    assert now() == stock
    monkeypatch.setattr(copier, "__version__", "9.19.2")
    with faster() as proved:
        assert not proved
        assert now() == stock
    monkeypatch.undo()
    with faster() as proved:
        assert proved


def test_other_version_of_copier_renders_as_it_is(
    versions: tuple[Version, Version], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions[0].copy(tmp_path / "stock/my-poc")
    monkeypatch.setattr(copier, "__version__", "9.19.2")
    with faster():
        versions[0].copy(tmp_path / "other/my-poc")
    assert state(tmp_path / "other") == state(tmp_path / "stock")
