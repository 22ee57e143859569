"""What people see: progress and warnings on stderr, the summary where --json leaves room for it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.text import Text


class Screen:
    def __init__(self, *, json: bool = False) -> None:
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)
        self.out = self.err if json else Console(highlight=False, soft_wrap=True)

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Say what takes a while: a spinner on a terminal, a line elsewhere."""
        if not self.err.is_terminal:
            self.err.print(Text(f"{text} …"))
            yield
            return
        with self.err.status(Text(text)):
            yield

    @contextmanager
    def steps(self) -> Iterator[Callable[[dict[str, Any]], None]]:
        """Show a hook's steps as they come."""
        with self.err.status("") as status:

            def report(event: dict[str, Any]) -> None:
                if event["event"] == "doing":
                    status.update(Text(event["text"]))
                    if not self.err.is_terminal:
                        self.err.print(Text(f"{event['text']} …"))
                elif event["event"] == "note":
                    self.out.print(Text(event["text"]))

            yield report

    def summary(
        self, dest: str, answers: Mapping[str, Any], files: Sequence[str], own_table: str | None
    ) -> None:
        """What is emitted: the answers, the files by folder, and the data they start with."""
        rows = {
            **answers,
            "data": own_table or "the sample that comes with it",
            "files": f"{len(files)}: {_by_folder(files)}",
        }
        self.out.print(Text(dest, style="bold"))
        for name, value in rows.items():
            words = ", ".join(value) if isinstance(value, list) else str(value)
            self.out.print(Text.assemble((f"  {name:<16}", "dim"), words))

    def next_steps(self, commands: Sequence[str]) -> None:
        self.out.print("\nNext:")
        for command in commands:
            self.out.print(Text(f"  {command}", style="bold"))

    def warn(self, text: str) -> None:
        self.err.print(Text.assemble(("Note: ", "yellow"), text))

    def error(self, text: str) -> None:
        self.err.print(Text.assemble(("Error: ", "bold red"), text))

    def confirm(self, question: str) -> bool:
        import questionary

        return bool(questionary.confirm(question).unsafe_ask())


def _by_folder(files: Sequence[str]) -> str:
    """`12 at the top, src 20, tests 9`, the fullest folder first."""
    folders = Counter(path.partition("/")[0] for path in files if "/" in path)
    top = len(files) - folders.total()
    counted = [f"{folder} {count}" for folder, count in folders.most_common()]
    return ", ".join([*counted, f"{top} beside them"])
