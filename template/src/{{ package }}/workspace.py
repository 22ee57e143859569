"""A clean copy of the committed project, in which the pipeline runs beside the project itself."""

import os
import shutil
import subprocess
import sys
import tarfile
from configparser import ConfigParser
from pathlib import Path

from . import landing, params
from .errors import ProjectError
from .settings import (
    LANDING,
    PREPARED,
    QUARANTINE,
    VALID,
    Settings,
)

# What is no part of the code: data, what the pipeline and servers write, and environments.
LEFT_OUT = {
    *(path.as_posix() for path in (LANDING, VALID, QUARANTINE, PREPARED)),
    *(".dvc/cache", ".dvc/config.local", ".dvc/tmp", ".git", ".venv", "data/labels"),
    *("mlflow.db", "mlruns", "models", "storage", "var"),
}


class WorkspaceError(ProjectError):
    """There is no code from which a model could be made and traced back."""


def make(project: Path, folder: Path, settings: Settings) -> str:
    """Fill the folder with the committed code, set up for DVC; return the commit.

    What was in the folder is removed.
    """
    commit = _head(project)
    if commit is not None:
        check_out(project, commit, folder)
    elif settings.git_commit:
        commit = settings.git_commit
        _empty(folder)
        _copy(project, folder)
        _write_dvc_config(project, folder)
    else:
        raise WorkspaceError(
            "retrain uses the committed code, and this folder has no commit: commit it, or set "
            "GIT_COMMIT where there is no git"
        )
    _link_landing(project, folder)
    return commit


def check_out(project: Path, tree: str, folder: Path) -> None:
    """Fill the folder with the files of a commit, or of another tree of git, set up for DVC.

    What was in the folder is removed.
    """
    _empty(folder)
    _unpack(project, tree, folder)
    _write_dvc_config(project, folder)


def _empty(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


def _link_landing(project: Path, folder: Path) -> None:
    """What has landed, so that only what is new since is read, and nothing that is gone is lost.

    A dataset whose parts are not what its manifest says is left out, and read again as a whole.
    """
    for manifest in sorted((project / LANDING).glob(f"*/{landing.MANIFEST}")):
        dataset = manifest.parent.name
        try:
            landing.link(dataset, project / LANDING, folder / LANDING)
        except (ProjectError, OSError):
            shutil.rmtree(folder / LANDING / dataset, ignore_errors=True)


def _head(project: Path) -> str | None:
    """The commit that is checked out; None when there is none that holds this folder."""
    try:
        _git(project, "cat-file", "-e", "HEAD:./")
        return _git(project, "rev-parse", "HEAD").strip()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def _unpack(project: Path, tree: str, folder: Path) -> None:
    """The files of the tree below the project's folder, which may be a part of the repository."""
    command = ["git", "archive", "--format=tar", tree]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE) as archive:
        assert archive.stdout is not None
        with tarfile.open(fileobj=archive.stdout, mode="r|") as files:
            # Before Python 3.11.4 there are no filters.
            files.extraction_filter = getattr(tarfile, "tar_filter", lambda member, _: member)
            files.extractall(folder)
        # Zeros follow the last file. If nobody took them, git would die of a broken pipe.
        archive.stdout.read()
    if archive.returncode != 0:
        raise WorkspaceError(f"git archive ended with exit code {archive.returncode}")


def _copy(project: Path, folder: Path) -> None:
    def left_out(parent: str, names: list[str]) -> set[str]:
        place = Path(parent).relative_to(project)
        return {
            name for name in names if (place / name).as_posix() in LEFT_OUT or name == "__pycache__"
        }

    shutil.copytree(project, folder, ignore=left_out, symlinks=True, dirs_exist_ok=True)


def _write_dvc_config(project: Path, folder: Path) -> None:
    """DVC here as in the project, but without git, and with the project's own cache and remotes."""
    known = ConfigParser(interpolation=None)
    known.read([project / ".dvc/config", project / ".dvc/config.local"], encoding="utf-8")
    for name in ("core", "cache"):
        if not known.has_section(name):
            known.add_section(name)
    known["core"]["no_scm"] = "true"
    known["cache"]["dir"] = known["cache"].get("dir", "cache")
    for section, key in [("cache", "dir"), *((name, "url") for name in known.sections())]:
        place = known[section].get(key)
        if place and "://" not in place:
            known[section][key] = str((project / ".dvc" / place).resolve())
    (folder / ".dvc").mkdir(exist_ok=True)
    with (folder / ".dvc/config.local").open("w", encoding="utf-8") as file:
        known.write(file)


def environment(project: Path, folder: Path, commit: str, settings: Settings) -> dict[str, str]:
    """What commands need to run the folder's code with the project's data and stores."""
    source = settings.data_source or params.load(folder / "params.yaml").data.source
    own = {
        "DATA_SOURCE": str(project / source),
        "DVC_SITE_CACHE_DIR": str(folder / ".dvc/tmp/site"),
        "GIT_COMMIT": commit,
        # DVC asks for it, and the user of a container may have no name.
        "LOGNAME": os.environ.get("LOGNAME") or str(os.getuid()),
        "MLFLOW_TRACKING_URI": _absolute_uri(settings.mlflow_tracking_uri, project),
        "PATH": _joined(str(Path(sys.executable).parent), os.environ.get("PATH")),
        # Before the package that is installed, which may be code that is not committed.
        "PYTHONPATH": _joined(str(folder / "src"), os.environ.get("PYTHONPATH")),
    }
    folders = {name: value for name, value in settings if isinstance(value, Path)}
    absolute = {name.upper(): str(project / path) for name, path in folders.items()}
    return {**os.environ, **absolute, **own}


def _joined(first: str, rest: str | None) -> str:
    return os.pathsep.join([first, rest] if rest else [first])


def _absolute_uri(uri: str, project: Path) -> str:
    """A URI in which a relative path is one of the project's."""
    sqlite = "sqlite:///"
    if uri.startswith(sqlite):
        return f"{sqlite}{project / uri.removeprefix(sqlite)}"
    return uri if ":" in uri else str(project / uri)
