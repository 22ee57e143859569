"""What becomes of edits under stock Copier and under `dayone update`, as a table for the docs."""

import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from support import ROOT

from . import ours, stock
from .cases import ANSWERS, Case, start
from .chain import Pair, meets
from .edits import KINDS
from .fates import Fate, fate
from .projects import Templates

PAGE = ROOT / "docs/explanation/update-compared.md"
BEGIN, END = "<!-- compared:begin -->\n", "<!-- compared:end -->\n"
HEAD = "| What people did | Copier | dayone |\n| --- | --- | --- |\n"
# Within a major version, across one, and both.
PAIRS = [Pair("v1.0.0", "v1.2.0"), Pair("v1.2.0", "v2.0.0"), Pair("v1.0.0", "v2.2.0")]
COMPARED = [kind for kind in KINDS if kind != "none"]


def row(kind: str, templates: Templates, folder: Path) -> str:
    """One kind of edit in each pair of versions in which it meets what it is about."""
    needs = KINDS[kind].needs
    pairs = [pair for pair in PAIRS if needs is None or needs in meets(pair)]
    cases = [Case(pair, next(iter(ANSWERS)), kind) for pair in pairs]
    fates = [compare(case, templates, folder / str(case)) for case in cases]
    theirs, mine = zip(*fates, strict=True)
    return f"| {described(kind)} | {_summary(theirs)} | {_summary(mine)} |"


def compare(case: Case, templates: Templates, folder: Path) -> tuple[Fate, Fate]:
    started = start(case, templates, folder / "project")
    copy = Path(shutil.copytree(started.project, folder / "copy", symlinks=True))
    theirs = stock.update(copy, case.pair.new, started.data)
    report = ours.update(started.project, case.pair.new, started.data)
    outcomes = (theirs, ours.outcome(started.project, report))
    first, second = (fate(started.edit, started.update, outcome) for outcome in outcomes)
    return first, second


def committed() -> dict[str, str]:
    """The rows of the page, by their kind of edit."""
    kinds = {described(kind): kind for kind in COMPARED}
    table = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    return {
        kinds.get(line.split("|")[1].strip(), line): line
        for line in table.removeprefix(HEAD).splitlines()
    }


def write(kind: str, row: str) -> None:
    """Put a row into the page's table, which keeps the order of COMPARED."""
    rows = committed() | {kind: row}
    table = "".join(f"{rows[kind]}\n" for kind in COMPARED if kind in rows)
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}{HEAD}{table}{END}{after}", encoding="utf-8")


def described(kind: str) -> str:
    return (KINDS[kind].make.__doc__ or "").strip().rstrip(".")


def _summary(fates: Iterable[Fate]) -> str:
    counts = Counter(fates)
    return ", ".join(f"{_word(fate)} {counts[fate]}" for fate in Fate if counts[fate])


def _word(fate: Fate) -> str:
    return f"**{fate}**" if fate in (Fate.LOST, Fate.MISSED) else fate
