"""Lines of code of each module in a folder: `code_lines.py my-poc/src/my_poc/sources`.

Not counted are blank lines, comments and docstrings. A statement that the formatter has put on
three lines is three.
"""

import ast
import io
import sys
import tokenize
from pathlib import Path

DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
NO_CODE = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}


def count(text: str) -> int:
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            said = node.body[0]
            lines.difference_update(range(said.lineno, (said.end_lineno or said.lineno) + 1))
    return len(lines)


def modules(folder: Path) -> dict[str, int]:
    return {
        path.stem: count(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.py"))
    }


if __name__ == "__main__":
    for name, lines in modules(Path(sys.argv[1])).items():
        print(f"{lines:5} {name}")
