"""`--table` brings a person's own table, and refuses one that cannot be learned from."""

from pathlib import Path

import pytest

from dayone.errors import DayoneError
from dayone.table import Table, check_table
from support.cli import dayone
from support.git import git

GOOD = "id,Ünïcode column,class\n" + "".join(f"{i},{i / 2},{'ab'[i % 2]}\n" for i in range(20))
PARQUET = b"PAR1" + b"\0" * 20 + b"PAR1"


def written(folder: Path, content: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(*values: str) -> str:
    return "x,y\n" + "".join(f"1,{value}\n" for value in values)


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD + "\n",
        "class\n" + "a\nb\n" * 3,
        '"class","a,b"\n' + 'a,"two\nlines"\nb,""\n' * 2,
    ],
    ids=["plain", "bom", "crlf", "blank last line", "one column", "quoted"],
)
def test_a_good_table_passes(tmp_path: Path, content: str) -> None:
    check_table(Table(written(tmp_path, content), "class"))


def test_a_good_parquet_file_passes(tmp_path: Path) -> None:
    check_table(Table(written(tmp_path, PARQUET, "table.parquet"), "y"))


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([str(i / 3) for i in range(30)], None),
        ([str(i) for i in range(30)], None),
        (["1.5", "2.5", "3.5"], None),
        (["1", "1", "2", "2", "3"], "regression"),
    ],
    ids=["decimals", "many whole numbers", "few decimals", "said so"],
)
def test_numbers_need_no_second_row(tmp_path: Path, values: list[str], task: str | None) -> None:
    check_table(Table(written(tmp_path, rows(*values)), "y", task=task))


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("", "is empty"),
        ("x,y\n", "a header and no rows"),
        ("x,y\n1,a\n2,b\n3", "cut short"),
        ('x,y\n1,a\n2,"b', "cut short"),
        ("x,y\n1,a,b\n", "cut short or broken"),
        ("x,y\n1,\0\n", "binary"),
        (b"x,y\n1,\xff\n", "UTF-8"),
        ("x;y\n1;a\n", "commas"),
        ("x,y,x\n1,a,2\n", "more than one column named 'x'"),
        ("x,Y\n1,a\n", "no column 'y'"),
        (rows("", ""), "no values"),
        (rows("a", "a"), "constant"),
        (rows("7", "7", ""), "constant"),
        (rows("a", "a", "b"), "class of one row: 'b'"),
        (rows("0", "0", "0", "1", "1", "2"), "class of one row: '2'"),
    ],
)
def test_a_bad_csv_is_refused(tmp_path: Path, content: str | bytes, word: str) -> None:
    with pytest.raises(DayoneError, match=word):
        check_table(Table(written(tmp_path, content), "y"))


def test_a_column_is_suggested(tmp_path: Path) -> None:
    with pytest.raises(DayoneError, match="did you mean 'class'"):
        check_table(Table(written(tmp_path, GOOD), "clas"))


@pytest.mark.parametrize("role", ["time", "id"])
def test_a_role_needs_its_column(tmp_path: Path, role: str) -> None:
    with pytest.raises(DayoneError, match=f"no column 'when' for the {role}"):
        check_table(Table(written(tmp_path, GOOD), "class", **{role: "when"}))


@pytest.mark.parametrize("role", ["time", "id"])
def test_the_target_has_no_other_role(tmp_path: Path, role: str) -> None:
    with pytest.raises(DayoneError, match="cannot be the target"):
        check_table(Table(written(tmp_path, GOOD), "class", **{role: "class"}))


@pytest.mark.parametrize(
    ("content", "word"),
    [(PARQUET[:-4], "cut short"), (b"x,y\n1,2\n", "not a Parquet file"), (b"", "empty")],
)
def test_a_bad_parquet_file_is_refused(tmp_path: Path, content: bytes, word: str) -> None:
    with pytest.raises(DayoneError, match=word):
        check_table(Table(written(tmp_path, content, "table.parquet"), "y"))


def test_a_large_table_is_read_in_little_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = written(tmp_path, "x,y\n" + "".join(f"{i},{i}.5\n" for i in range(200_000)))
    tracemalloc.start()
    check_table(Table(path, "y"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < path.stat().st_size / 2


@pytest.mark.parametrize("name", ["nowhere.csv", "folder", "table.xlsx"])
def test_a_file_that_is_no_table(template: Path, dest: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    written(tmp_path, "x", "table.xlsx")
    table = ["--table", tmp_path / name, "--target", "y"]
    result = dayone("new", dest, "--template", template, "--defaults", *table)
    assert result.code == 1
    assert f"{tmp_path / name}" in result.err
    assert not dest.exists()


@pytest.mark.parametrize(
    "options", [["--table", "t.csv"], ["--target", "y"], ["--time", "t"], ["--task", "binary"]]
)
def test_table_and_target_belong_together(template: Path, dest: Path, options: list[str]) -> None:
    result = dayone("new", dest, "--template", template, "--defaults", *options)
    assert result.code == 2
    assert "--table" in result.err
    assert not dest.exists()


def test_the_project_takes_the_table_in(
    template_with_commands: Path, dest: Path, tmp_path: Path
) -> None:
    path = written(tmp_path, GOOD)
    table = ["--table", path, "--target", "class", "--id", "id", "--task", "binary"]
    result = dayone("new", dest, "--template", template_with_commands, "--defaults", *table)
    assert result.code == 0, result.err
    taken = ["use-data", str(path), "--target", "class", "--id", "id", "--task", "binary"]
    assert (dest / "table.txt").read_text().splitlines() == taken
    assert "table.txt" in git(dest, "ls-files").splitlines()
    assert "Took the table in." in result.out
    assert f"{path}, target class" in result.out


@pytest.mark.parametrize("variable", ["UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV"])
def test_packages_go_into_the_project_only(
    template_with_commands: Path, dest: Path, tmp_path: Path, variable: str
) -> None:
    table = ["--table", written(tmp_path, GOOD), "--target", "class"]
    elsewhere = {variable: str(tmp_path / "elsewhere")}
    dayone("new", dest, "--template", template_with_commands, "--defaults", *table, **elsewhere)
    assert (dest / ".venv").is_dir()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("existed", [True, False])
def test_a_table_that_the_project_refuses_leaves_nothing(
    template_with_commands: Path, dest: Path, tmp_path: Path, existed: bool
) -> None:
    if existed:
        dest.mkdir()
    table = ["--table", written(tmp_path, PARQUET, "refused.parquet"), "--target", "y"]
    result = dayone("new", dest, "--template", template_with_commands, "--defaults", *table)
    assert result.code == 1
    assert "Error: This table is refused." in result.err
    assert dest.exists() == existed
    assert not existed or not list(dest.iterdir())
