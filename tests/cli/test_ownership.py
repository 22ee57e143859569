"""The longest pattern that matches a path names its owner."""

import pytest

from dayone.ownership import Ownership, matches

TABLE = {
    "template": ["/src", "/README.md"],
    "shared": ["/src/*/serve"],
    "yours": ["/src/*/features.py", "/contracts/*.odcs.yaml"],
}


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("src/my_poc/train.py", "template"),
        ("src/my_poc/serve/app.py", "shared"),
        ("src/my_poc/features.py", "yours"),
        ("src/my_poc/deep/features.py", "template"),
        ("contracts/flights.odcs.yaml", "yours"),
        ("README.md", "template"),
        ("READMEXmd", None),
        ("docs/README.md", None),
        ("srcs/x.py", None),
    ],
)
def test_owner_of(path: str, owner: str | None) -> None:
    assert Ownership(TABLE).owner_of(path) == owner


def test_a_star_stays_within_one_name() -> None:
    assert not matches("/contracts/*.yaml", "contracts/old/x.yaml")


@pytest.mark.parametrize(
    ("table", "word"),
    [({"theirs": ["/x"]}, "theirs"), ({"template": ["/x"], "yours": ["/x"]}, "/x")],
)
def test_an_ambiguous_table_is_refused(table: dict[str, list[str]], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Ownership(table)
