"""dvc.yaml runs a stage again when any code that it runs has changed."""

import ast
from pathlib import Path

import pytest
import yaml

from support.rendering import render

# Where things are, what stops a run, and what tells of it: none changes what a stage makes.
NOT_NAMED = {"cli", "errors", "lineage", "params", "settings"}
# `datasets` lands labels as well, which come after the predictions: no stage reads them.
NOT_READ = {"labels"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render({"project_name": "My PoC"}, tmp_path_factory.mktemp("pipeline") / "project")


def imported(package: Path, module: str, seen: set[str]) -> set[str]:
    """The package's own modules that a module imports, and those that they import."""
    if module not in seen | NOT_READ:
        seen.add(module)
        tree = ast.parse((package / f"{module}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                names = [node.module] if node.module else [alias.name for alias in node.names]
                for name in names:
                    if (package / f"{name}.py").exists():
                        imported(package, name, seen)
    return seen


def run_by(package: Path, command: str) -> set[str]:
    """The modules that a command of cli.py imports, and those that they import."""
    tree = ast.parse((package / "cli.py").read_text(encoding="utf-8"))
    (function,) = (
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == command
    )
    seen: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.ImportFrom) and not node.module:
            for alias in node.names:
                imported(package, alias.name, seen)
    return seen


@pytest.mark.parametrize("stage", ["validate", "prepare", "train", "staleness", "evaluate"])
def test_stage_depends_on_the_code_that_it_runs(stage: str, project: Path) -> None:
    pipeline = yaml.safe_load((project / "dvc.yaml").read_text(encoding="utf-8"))
    package = project / "src/my_poc"
    named = {
        Path(dep).stem
        for dep in pipeline["stages"][stage]["deps"]
        if dep.startswith("src/") and dep.endswith(".py")
    }
    assert named == run_by(package, stage) - NOT_NAMED
