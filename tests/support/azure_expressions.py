"""Azure's expressions, as far as our pipelines use them; anything else is refused.

    evaluate("and(succeeded(), eq(variables.a, 'b'))", names, functions) -> True

`names` maps the first word of a reference (`variables`, `parameters`, `dependencies`) to a function
that takes the rest of it, a list of keys, and returns a text, a bool or None.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Names = Mapping[str, Callable[[list[str]], Any]]
Functions = Mapping[str, Callable[[], bool]]

TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>[A-Za-z_]\w*)|(?P<sign>[(),.\[\]]))")
# How many arguments each takes, at least and at most.
COUNTS = {
    "and": (2, None),
    "or": (2, None),
    "not": (1, 1),
    "eq": (2, 2),
    "ne": (2, 2),
    "in": (2, None),
    "coalesce": (2, None),
}


class RefusedError(Exception):
    """It means nothing to Azure, or this runner does not know it."""


def evaluate(expression: str, names: Names, functions: Functions | None = None) -> Any:
    return _Parser(expression, names, functions or {}).whole()


def truth(value: Any) -> bool:
    """As Azure casts: an empty text is false, any other text is true."""
    return value if isinstance(value, bool) else bool(value)


def same(left: Any, right: Any) -> bool:
    if isinstance(left, bool):
        return left == (right if isinstance(right, bool) else str(right).lower() == "true")
    return str(left or "").lower() == str(right or "").lower()


class _Parser:
    def __init__(self, expression: str, names: Names, functions: Functions) -> None:
        self.expression, self.names, self.functions = expression, names, functions
        self.tokens = self._split()

    def _split(self) -> list[tuple[str, str]]:
        tokens, at, text = [], 0, self.expression.strip()
        while at < len(text):
            found = TOKEN.match(text, at)
            if found is None:
                raise RefusedError(f"{self.expression}: {text[at:]}")
            tokens.append((str(found.lastgroup), found.group(str(found.lastgroup))))
            at = found.end()
        return tokens

    def whole(self) -> Any:
        value = self._value()
        if self.tokens:
            raise RefusedError(f"{self.expression}: what follows {self.tokens[0][1]}?")
        return value

    def _next(self, wanted: str = "") -> tuple[str, str]:
        if not self.tokens or (wanted and self.tokens[0][1] != wanted):
            raise RefusedError(f"{self.expression}: {wanted or 'something'} is missing")
        return self.tokens.pop(0)

    def _at(self, sign: str) -> bool:
        return bool(self.tokens) and self.tokens[0] == ("sign", sign)

    def _value(self) -> Any:
        kind, text = self._next()
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind != "word":
            raise RefusedError(f"{self.expression}: {text}")
        if text in ("true", "false"):
            return text == "true"
        return self._call(text) if self._at("(") else self._reference(text)

    def _call(self, name: str) -> Any:
        self._next("(")
        arguments = []
        while not self._at(")"):
            if arguments:
                self._next(",")
            arguments.append(self._value())
        self._next(")")
        if name in self.functions and not arguments:
            return self.functions[name]()
        if name not in COUNTS:
            raise RefusedError(f"{self.expression}: the function {name}")
        least, most = COUNTS[name]
        if len(arguments) < least or (most is not None and len(arguments) > most):
            raise RefusedError(f"{self.expression}: {name} has {len(arguments)} arguments")
        return _apply(name, arguments)

    def _reference(self, name: str) -> Any:
        keys = []
        while self._at(".") or self._at("["):
            if self._next()[1] == ".":
                keys.append(self._next()[1])
            else:
                keys.append(self._next()[1][1:-1])
                self._next("]")
        if name not in self.names:
            raise RefusedError(f"{self.expression}: {name} is not known here")
        return self.names[name](keys)


def _apply(name: str, arguments: list[Any]) -> Any:
    first, *rest = arguments
    match name:
        case "and":
            return all(map(truth, arguments))
        case "or":
            return any(map(truth, arguments))
        case "not":
            return not truth(first)
        case "eq":
            return same(first, rest[0])
        case "ne":
            return not same(first, rest[0])
        case "in":
            return any(same(first, one) for one in rest)
        case _:
            return next((one for one in arguments if one not in (None, "")), None)
