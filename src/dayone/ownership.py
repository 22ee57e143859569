"""Who owns a path of a project: the template, both, or the people who work on it."""

import re
from collections.abc import Mapping, Sequence

OWNERS = ("template", "shared", "yours")


class Ownership:
    """The table `_ownership` of copier.yml; the longest pattern that matches a path decides."""

    def __init__(self, table: Mapping[str, Sequence[str]]) -> None:
        unknown = set(table) - set(OWNERS)
        if unknown:
            raise ValueError(f"_ownership names unknown owners: {', '.join(sorted(unknown))}")
        rules = [(pattern, owner) for owner in table for pattern in table[owner]]
        patterns = [pattern for pattern, _ in rules]
        twice = sorted({pattern for pattern in patterns if patterns.count(pattern) > 1})
        if twice:
            raise ValueError(f"_ownership lists a pattern twice: {', '.join(twice)}")
        self.rules = sorted(rules, key=lambda rule: len(rule[0]), reverse=True)

    def owner_of(self, path: str) -> str | None:
        """The owner of a path relative to the project, or nothing when no pattern covers it."""
        return next((owner for pattern, owner in self.rules if matches(pattern, path)), None)


def matches(pattern: str, path: str) -> bool:
    """Whether `/src/*/serve` is a path or a folder above it; a star stays within one name."""
    name = re.escape(pattern.strip("/")).replace(r"\*", "[^/]*")
    return re.fullmatch(f"{name}(/.*)?", path) is not None
