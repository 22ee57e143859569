"""`dayone plan`: what an update or a changed answer would do; touches nothing."""

import json
import re
import sys
from dataclasses import replace

from dayone.evolve import Evolution, Options, evolve
from dayone.report import as_dict, as_markdown, show
from dayone.screen import Screen


def plan(
    options: Options,
    screen: Screen,
    *,
    diff: bool = False,
    as_json: bool = False,
    markdown: bool = False,
) -> None:
    """Show what `dayone update` would do to the project as it lies there."""
    with evolve(replace(options, defaults=True), screen, committed=False) as evolution:
        if as_json:
            more = {"diff": difference(evolution).decode("utf-8", "replace")} if diff else {}
            print(json.dumps({**as_dict(evolution), **more}, ensure_ascii=False, indent=2))
            return
        if markdown:
            patch = difference(evolution).decode("utf-8", "replace") if diff else ""
            print(as_markdown(evolution) + (fenced(patch) if patch else ""), end="")
            return
        show(evolution, screen)
        if not evolution.nothing_to_do:
            screen.out.print(f"\n{outlook(evolution)}", markup=False)
        if diff:
            screen.out.print()
            sys.stdout.flush()
            sys.stdout.buffer.write(difference(evolution))


def fenced(patch: str) -> str:
    """A patch as Markdown shows it, whatever it holds."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", patch)), default=0))
    return f"\n{fence}diff\n{patch}{fence}\n"


def outlook(evolution: Evolution) -> str:
    """What `dayone update` would make of this."""
    if evolution.blocked:
        return "dayone update would refuse until what blocks it is out of the way."
    if evolution.conflicts:
        return (
            f"dayone update would leave this on the branch {evolution.branch} for you to resolve, "
            "and change nothing else."
        )
    return "dayone update makes it one commit."


def difference(evolution: Evolution) -> bytes:
    """The plan as a patch of the project's files."""
    trees = evolution.trees
    before, after = trees.write(evolution.own), trees.write(evolution.merged)
    return trees.difference(before, after)
