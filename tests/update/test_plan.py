"""`dayone plan`: says what an update would do, and touches nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.cli import dayone
from support.git import git
from support.world import World, new_world, state, write

FILES = {
    "alpha.txt": "".join(f"alpha {n}\n" for n in range(30)),
    "beta.txt": "".join(f"beta {n}\n" for n in range(30)),
    "gamma.txt": "".join(f"gamma {n}\n" for n in range(30)),
    "params.yaml": "seed: 1\n",
    "src/{{ package }}/serve/app.py": "".join(f"line_{n} = {n}\n" for n in range(30)),
}
BETA_RENAMED = "delta.txt"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """v1.1.0 adds a file, changes one, renames one and removes one."""
    world = new_world(tmp_path, FILES)
    files = {
        "new.txt": "n\n",
        "alpha.txt": FILES["alpha.txt"].replace("alpha 3\n", "alpha three\n"),
        BETA_RENAMED: FILES["beta.txt"],
        "params.yaml": "seed: 2\n",
    }
    world.release("v1.1.0", files, "beta.txt", "gamma.txt")
    return world


def planned(world: World, *arguments: str) -> dict[str, Any]:
    result = world.plan("--json", *arguments)
    assert result.code == 0, result.err
    return json.loads(result.out)


def risks(world: World, *arguments: str) -> dict[str, tuple[str, str]]:
    found = planned(world, *arguments)["at_risk"]
    return {risk["path"]: (risk["why"], risk["outcome"]) for risk in found}


def edit(world: World, name: str, old: str, new: str) -> None:
    text = (world.project / name).read_text()
    assert old in text
    world.edit({name: text.replace(old, new)})


def test_files_that_are_added_changed_removed_and_renamed(world: World) -> None:
    changes = {change["path"]: change for change in planned(world)["changes"]}
    assert {path: change["kind"] for path, change in changes.items()} == {
        ".copier-answers.yml": "changed",
        "alpha.txt": "changed",
        BETA_RENAMED: "renamed",
        "gamma.txt": "removed",
        "new.txt": "added",
    }
    assert changes[BETA_RENAMED]["before"] == "beta.txt"


def test_an_edited_file_is_marked(world: World) -> None:
    edit(world, "alpha.txt", "alpha 20\n", "alpha twenty\n")
    edited = {change["path"] for change in planned(world)["changes"] if change["edited"]}
    assert edited == {"alpha.txt"}


def test_an_edit_far_from_the_change_is_not_at_risk(world: World) -> None:
    edit(world, "alpha.txt", "alpha 20\n", "alpha twenty\n")
    assert risks(world) == {}


def test_an_edit_on_the_same_lines(world: World) -> None:
    edit(world, "alpha.txt", "alpha 3\n", "mine\n")
    assert risks(world) == {"alpha.txt": ("both sides changed the same lines", "conflict")}


def test_an_edit_of_a_renamed_file_is_carried_along(world: World) -> None:
    edit(world, "beta.txt", "beta 3\n", "mine\n")
    assert risks(world) == {"beta.txt": ("renamed to delta.txt", "carried")}


def test_an_edit_of_a_removed_file(world: World) -> None:
    edit(world, "gamma.txt", "gamma 3\n", "mine\n")
    assert risks(world) == {"gamma.txt": ("removed by the template", "conflict")}


def test_an_edit_of_a_file_that_an_answer_switches_off(world: World) -> None:
    name = "src/my_poc/serve/app.py"
    edit(world, name, "line_3 = 3\n", "mine = 3\n")
    found = risks(world, "-d", "serving=batch", "-r", ":current:")
    assert found == {name: ("switched off by an answer", "conflict")}


def test_a_file_that_is_yours_is_kept(world: World) -> None:
    edit(world, "params.yaml", "seed: 1", "seed: 42")
    plan = planned(world)
    assert plan["kept"] == ["params.yaml"]
    assert "params.yaml" not in [change["path"] for change in plan["changes"]]


def test_a_deleted_file_stays_away(world: World) -> None:
    (world.project / "alpha.txt").unlink()
    world.edit({})
    plan = planned(world)
    assert plan["deleted"] == ["alpha.txt"]
    assert "alpha.txt" not in [change["path"] for change in plan["changes"]]


def test_a_file_of_ones_own_where_the_template_adds_one(world: World) -> None:
    world.edit({"new.txt": "mine\n"})
    assert risks(world) == {"new.txt": ("both sides added it, with different content", "conflict")}


def test_an_ignored_file_where_the_template_adds_one(world: World) -> None:
    world.edit({".gitignore": "new.txt\n"})
    write(world.project, {"new.txt": "mine\n"})
    assert risks(world) == {"new.txt": ("new.txt lies there, and git does not track it", "blocks")}


def test_new_questions_with_their_defaults(world: World) -> None:
    copier = world.template / "copier.yml"
    copier.write_text(copier.read_text() + "\nregion: {type: str, default: here}\n")
    world.release("v1.2.0", {})
    assert planned(world)["new_questions"] == {"region": "here"}
    assert "region: here (a new question)" in world.plan().out


def test_a_new_question_can_be_answered(world: World) -> None:
    copier = world.template / "copier.yml"
    copier.write_text(copier.read_text() + "\nregion: {type: str, default: here}\n")
    world.release("v1.2.0", {})
    assert planned(world, "-d", "region=there")["new_questions"] == {"region": "there"}


def test_an_answer_that_is_not_offered_any_more(world: World) -> None:
    copier = world.template / "copier.yml"
    world.update("-d", "python_version=3.13", "-r", ":current:")
    copier.write_text(copier.read_text().replace('["3.12", "3.11", "3.13"]', '["3.12", "3.11"]'))
    world.release("v2.0.0", {})
    assert planned(world)["lost_answers"] == ["python_version"]
    expected = "python_version: 3.13 → 3.12 (v2.0.0 does not take the old answer)"
    assert expected in world.plan().out


def test_hooks_and_migrations_that_would_run(world: World) -> None:
    write(world.template, {"hooks/migrations/2.0.0_tidy.py": "print()\n"})
    world.release("v2.0.0", {})
    plan = planned(world)
    assert plan["migrations"] == ["2.0.0_tidy"]
    assert plan["hooks"] == ["hooks/after_update.py"]


def test_without_a_version_it_is_the_newest_release(world: World) -> None:
    world.release("v1.3.0rc1", {})
    world.release("v1.10.0", {})
    world.release("v1.9.0", {})
    plan = planned(world)
    assert (plan["from"], plan["to"]) == ("v1.0.0", "v1.10.0")


def test_a_template_without_tags_goes_to_its_newest_commit(world: World) -> None:
    git(world.template, "tag", "--delete", "v1.0.0", "v1.1.0")
    first = git(world.template, "rev-list", "--max-parents=0", "HEAD")
    answers = world.project / ".copier-answers.yml"
    # In quotes, as Copier writes it: one hash in twenty-seven has digits alone.
    answers.write_text(answers.read_text().replace("v1.0.0", f"'{first[:7]}'"))
    assert planned(world)["to"] == git(world.template, "rev-parse", "--short", "HEAD")


def test_the_diff_is_a_patch(world: World) -> None:
    result = world.plan("--diff")
    assert "-alpha 3\n+alpha three\n" in result.out
    patch = planned(world, "--diff")["diff"]
    (world.project / "plan.patch").write_text(patch)
    git(world.project, "apply", "--check", "plan.patch")


def test_it_touches_nothing(world: World) -> None:
    """Not even git's store of objects."""
    write(world.project, {"alpha.txt": "not committed\n", "loose.txt": "loose\n"})

    def everything() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in world.project.rglob("*") if path.is_file()}

    before = everything()
    assert world.plan("--diff").code == 0
    assert everything() == before


def test_it_sees_what_is_not_committed(world: World) -> None:
    write(world.project, {"alpha.txt": FILES["alpha.txt"].replace("alpha 3\n", "mine\n")})
    assert risks(world) == {"alpha.txt": ("both sides changed the same lines", "conflict")}


def test_where_the_template_has_moved_to(world: World) -> None:
    moved = world.template.rename(world.template.with_name("elsewhere"))
    result = world.plan("--template", moved)
    assert f"template: {world.template} → {moved}" in result.out


def test_nothing_to_do(world: World) -> None:
    assert world.update().code == 0
    before = state(world.project)
    assert "Nothing to do." in world.plan().out
    assert state(world.project) == before


def test_the_project_is_the_current_folder(world: World) -> None:
    assert dayone("plan", cwd=world.project / "src").code == 0


def test_it_can_be_the_text_of_a_change(world: World) -> None:
    edit(world, "params.yaml", "seed: 1\n", "seed: 7\n")
    edit(world, "alpha.txt", "alpha 3\n", "mine\n")
    result = world.plan("--markdown")
    assert result.code == 0, result.err
    assert result.out.startswith("**v1.0.0 → v1.1.0** of `")
    for line in (
        "### Conflicts\n\n- `alpha.txt`: both sides changed the same lines\n",
        "- added: `new.txt` (template)\n",
        f"- renamed: `beta.txt` → `{BETA_RENAMED}` (template)\n",
    ):
        assert line in result.out, result.out
    patch = world.plan("--markdown", "--diff").out
    assert patch.startswith(result.out)
    assert "\n```diff\ndiff --git " in patch
    assert patch.endswith("\n```\n")


def test_text_and_json_at_once_is_a_mistake(world: World) -> None:
    result = world.plan("--markdown", "--json")
    assert (result.code, result.out) == (2, "")
    assert "--json or --markdown" in result.err
