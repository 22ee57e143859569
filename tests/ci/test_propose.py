"""Updates proposed as changes: from a local template, to a bare origin and a forge on loopback."""

import json
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from support import ROOT
from support.git import commit_all, git
from support.world import World, new_world

TOOLS = ("tools/propose.py", "tools/forge.py")
TOKEN = "s3cret-of-this-job"  # noqa: S105
FORGES = ["github", "gitlab", "azure_devops"]
# Where each forge wants the token, and how it is told about a job.
HEADERS = {
    "github": ("Authorization", f"Bearer {TOKEN}"),
    "gitlab": ("PRIVATE-TOKEN", TOKEN),
    "azure_devops": ("Authorization", f"Bearer {TOKEN}"),
}
VARIABLES = {
    "github": {
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_API_URL": "{url}",
        "GITHUB_REPOSITORY": "acme/my-poc",
        "GITHUB_REF_NAME": "main",
    },
    "gitlab": {
        "UPDATE_TOKEN": TOKEN,
        "CI_API_V4_URL": "{url}/api/v4",
        "CI_PROJECT_ID": "7",
        "CI_DEFAULT_BRANCH": "main",
    },
    "azure_devops": {
        "SYSTEM_ACCESSTOKEN": TOKEN,
        "SYSTEM_COLLECTIONURI": "{url}/acme/",
        "SYSTEM_TEAMPROJECT": "Data Science",
        "BUILD_REPOSITORY_ID": "11",
        "BUILD_SOURCEBRANCH": "refs/heads/main",
    },
}
UV = """\
#!{python}
import os, sys
words = sys.argv[1:]
if words[:3] == ["tool", "run", "--from"]:
    assert words[4] == "dayone", words
    with open(os.environ["UV_LOG"], "a") as log:
        print(words[3], *words[5:], file=log)
    os.execv(sys.executable, [sys.executable, "-m", "dayone", *words[5:]])
assert words == ["lock", "--quiet", "--upgrade"], words
assert not {{"UV_LOCKED", "UV_FROZEN"}} & os.environ.keys()
new = os.environ.get("NEW_LOCK")
if new:
    open("uv.lock", "w").write(new)
"""


def lock(**versions: str) -> str:
    packages = [
        f'[[package]]\nname = "{name}"\nversion = "{version}"\n'
        for name, version in versions.items()
    ]
    return "version = 1\n\n" + "\n".join(packages)


class Forge(ThreadingHTTPServer):
    """The part of each forge's API that is used, for those who show the token."""

    def __init__(self, kind: str) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.kind = kind
        self.opened: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Answers(BaseHTTPRequestHandler):
    server: Forge

    def do_GET(self) -> None:
        self.answer()

    do_POST = do_PATCH = do_PUT = do_GET  # noqa: N815, as the server calls them

    def answer(self) -> None:
        header, value = HEADERS[self.server.kind]
        size = int(self.headers.get("content-length") or 0)
        content = json.loads(self.rfile.read(size) or b"{}")
        self.server.asked.append(f"{self.command} {self.path}")
        if self.headers.get(header) != value:
            if self.server.kind == "azure_devops":
                self.send(203, "<html>log in</html>")  # as Azure DevOps does
            else:
                self.send(401, json.dumps({"message": "Bad credentials"}))
            return
        self.send(200, json.dumps(getattr(self, self.server.kind)(content)))

    def send(self, code: int, text: str) -> None:
        self.send_response(code)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    @property
    def known(self) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}

    @property
    def place(self) -> str:
        return unquote(urlsplit(self.path).path)

    def kept(self, content: dict[str, Any]) -> dict[str, Any]:
        """What is opened, or changed by the number that ends the path."""
        if self.command == "POST":
            self.server.opened.append(content)
            return content
        self.server.opened[int(self.place.rpartition("/")[2])] |= content
        return content

    def github(self, content: dict[str, Any]) -> Any:
        assert self.place.startswith("/repos/acme/my-poc/pulls"), self.place
        if self.command == "GET":
            assert self.known["state"] == "open"
            heads = [f"acme:{one['head']}" for one in self.server.opened]
            return [{"number": n} for n, head in enumerate(heads) if head == self.known["head"]]
        return self.kept(content) | {"html_url": "https://forge/change"}

    def gitlab(self, content: dict[str, Any]) -> Any:
        assert self.place.startswith("/api/v4/projects/7/merge_requests"), self.place
        if self.command == "GET":
            assert self.known["state"] == "opened"
            heads = [one["source_branch"] for one in self.server.opened]
            return [{"iid": n} for n, h in enumerate(heads) if h == self.known["source_branch"]]
        return self.kept(content) | {"web_url": "https://forge/change"}

    def azure_devops(self, content: dict[str, Any]) -> Any:
        start = "/acme/Data Science/_apis/git/repositories/11/pullrequests"
        assert self.place.startswith(start), self.place
        assert self.known["api-version"] == "7.1"
        assert len(content.get("description", "")) <= 4_000
        if self.command == "GET":
            assert self.known["searchCriteria.status"] == "active"
            heads = [one["sourceRefName"] for one in self.server.opened]
            wanted = self.known["searchCriteria.sourceRefName"]
            return {"value": [{"pullRequestId": n} for n, h in enumerate(heads) if h == wanted]}
        self.kept(content)
        return {"pullRequestId": 0}

    def log_message(self, *_: object) -> None:
        pass


class Job(NamedTuple):
    """A scheduled job: a project with a bare origin, and its forge."""

    world: World
    origin: Path
    forge: Forge
    variables: dict[str, str]

    def run(self, *arguments: str, expect: int = 0, **own: str) -> str:
        done = subprocess.run(
            [sys.executable, "tools/propose.py", *arguments],
            cwd=self.world.project,
            env={**os.environ, **self.variables, **own},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == expect, said
        assert "Traceback" not in said, said
        assert TOKEN not in said
        git(self.world.project, "switch", "--quiet", "main")  # where every job begins
        return said

    def pushed(self) -> list[str]:
        return git(self.origin, "branch", "--format=%(refname:short)").split()

    def text(self) -> str:
        [change] = self.forge.opened
        return str(change["body" if "body" in change else "description"])


@pytest.fixture(params=FORGES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def job(kind: str, tmp_path: Path) -> Iterator[Job]:
    """A project of the template's v1.0.0, with nothing new yet."""
    yield from make_job(kind, tmp_path)


@pytest.fixture
def on_github(tmp_path: Path) -> Iterator[Job]:
    yield from make_job("github", tmp_path)


def make_job(kind: str, folder: Path) -> Iterator[Job]:
    files = {f"{name}.jinja": (ROOT / f"template/{name}.jinja").read_text() for name in TOOLS}
    world = new_world(folder, {**files, "alpha.txt": "one\n"}, ci=kind)
    world.edit({"uv.lock": lock(numpy="2.0.0", polars="1.0.0")})
    origin = folder / "origin.git"
    git(folder, "init", "--quiet", "--bare", str(origin))
    git(world.project, "remote", "add", "origin", str(origin))
    git(world.project, "push", "--quiet", "origin", "main")
    uv = folder / "bin/uv"
    uv.parent.mkdir()
    uv.write_text(UV.format(python=sys.executable))
    uv.chmod(uv.stat().st_mode | stat.S_IXUSR)
    forge = Forge(kind)
    threading.Thread(target=forge.serve_forever, daemon=True).start()
    variables = {name: text.format(url=forge.url) for name, text in VARIABLES[kind].items()}
    variables |= {
        "PATH": os.pathsep.join([str(uv.parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]),
        "PYTHONDONTWRITEBYTECODE": "1",  # what is not ignored here is in an update's way
        "UV_LOCKED": "1",
        "UV_LOG": str(folder / "uv.log"),
    }
    yield Job(world, origin, forge, variables)
    forge.shutdown()
    forge.server_close()


def test_newer_packages_are_proposed_and_the_same_change_is_refreshed(job: Job) -> None:
    said = job.run("dependencies", NEW_LOCK=lock(numpy="2.1.0", polars="1.0.0"))
    assert "| numpy | 2.0.0 | 2.1.0 |" in said
    assert "/change" in said or "/pullrequest/0" in said
    assert job.pushed() == ["main", "update/dependencies"]
    assert "| numpy | 2.0.0 | 2.1.0 |" in job.text()
    assert "polars" not in job.text()
    changed = git(job.origin, "diff", "--name-only", "main", "update/dependencies")
    assert changed == "uv.lock"

    job.run("dependencies", NEW_LOCK=lock(numpy="2.2.0", pyarrow="1.0.0"))
    assert "| numpy | 2.0.0 | 2.2.0 |" in job.text()
    assert "| polars | 1.0.0 |  |" in job.text()
    assert "| pyarrow |  | 1.0.0 |" in job.text()
    assert git(job.origin, "rev-list", "--count", "main..update/dependencies") == "1"
    assert git(job.origin, "show", "update/dependencies:uv.lock").count("2.2.0") == 1


def test_a_newer_template_is_proposed_with_its_plan(job: Job) -> None:
    job.world.release("v1.1.0", {"alpha.txt": "two\n", "new.txt": "n\n"})
    job.world.release("v1.2.0rc1", {"alpha.txt": "not yet\n"})
    said = job.run("template")
    assert "Update from v1.0.0 to v1.1.0" in said
    assert "- added: `new.txt`" in job.text()
    assert job.pushed() == ["main", "update/template"]
    assert git(job.origin, "show", "update/template:alpha.txt") == "two"
    assert git(job.origin, "show", "main:alpha.txt") == "one"
    tools = {line.split()[0] for line in Path(job.variables["UV_LOG"]).read_text().splitlines()}
    assert tools == {f"git+file://{job.world.template}@v1.1.0"}

    job.world.release("v1.3.0", {"alpha.txt": "three\n"})
    assert "Update from v1.0.0 to v1.3.0" in job.run("template")
    [change] = job.forge.opened
    assert change["title"] == "Update from v1.0.0 to v1.3.0"
    assert git(job.origin, "show", "update/template:alpha.txt") == "three"


def test_nothing_new(on_github: Job) -> None:
    job = on_github
    assert "newest packages already" in job.run("dependencies")
    assert "v1.0.0 is the newest version" in job.run("template")
    assert job.pushed() == ["main"]
    assert job.forge.asked == []


def test_a_conflict_is_for_a_person(on_github: Job) -> None:
    job = on_github
    job.world.edit({"alpha.txt": "mine\n"})
    job.world.release("v1.1.0", {"alpha.txt": "theirs\n"})
    before = git(job.world.project, "show-ref")
    said = job.run("template", expect=3)
    assert "alpha.txt: both sides changed the same lines" in said
    assert "`dayone update` on a laptop" in said
    assert git(job.world.project, "show-ref") == before
    assert git(job.world.project, "status", "--porcelain") == ""
    assert job.pushed() == ["main"]
    assert job.forge.asked == []


def test_a_dry_run_leaves_everything_as_it_is(on_github: Job) -> None:
    job = on_github
    job.world.release("v1.1.0", {"new.txt": "n\n"})
    before = git(job.world.project, "show-ref")
    for name in VARIABLES[job.forge.kind]:
        job.variables.pop(name)
    assert "new.txt" in job.run("template", "--dry-run")
    assert "numpy" in job.run("dependencies", "--dry-run", NEW_LOCK=lock(numpy="3.0.0"))
    assert git(job.world.project, "show-ref") == before
    assert git(job.world.project, "status", "--porcelain") == ""


def test_a_wrong_token_is_one_line(job: Job) -> None:
    [name] = [name for name, value in job.variables.items() if value == TOKEN]
    said = job.run("dependencies", expect=1, NEW_LOCK=lock(numpy="2.1.0"), **{name: "wrong"})
    [line] = [line for line in said.splitlines() if line.startswith("Error: ")]
    assert "does not know the token" in line
    assert "wrong" not in line
    assert job.forge.opened == []


def test_a_missing_token_is_said_before_anything_is_done(job: Job) -> None:
    [name] = [name for name, value in job.variables.items() if value == TOKEN]
    said = job.run("dependencies", expect=1, NEW_LOCK=lock(numpy="2.1.0"), **{name: ""})
    assert said.startswith(f"Error: {name} is not set")
    assert said.count("\n") == 1
    assert git(job.world.project, "status", "--porcelain") == ""


def test_a_forge_that_is_not_there_is_one_line(on_github: Job) -> None:
    job = on_github
    job.forge.shutdown()
    job.forge.server_close()
    said = job.run("dependencies", expect=1, NEW_LOCK=lock(numpy="2.1.0"))
    assert re.search(r"^Error: \S+( DevOps)? does not answer at http", said, re.MULTILINE)


def test_a_person_at_work_on_the_branch_is_not_overwritten(on_github: Job) -> None:
    job = on_github
    job.run("dependencies", NEW_LOCK=lock(numpy="2.1.0"))
    git(job.world.project, "switch", "--quiet", "update/dependencies")
    (job.world.project / "fix.py").write_text("fixed = True\n")
    commit_all(job.world.project, "Fix")
    git(job.world.project, "push", "--quiet", "origin", "update/dependencies")
    git(job.world.project, "switch", "--quiet", "main")
    said = job.run("dependencies", expect=1, NEW_LOCK=lock(numpy="2.2.0"))
    assert "update/dependencies has a commit of tester@example.com" in said
    assert git(job.origin, "show", "update/dependencies:fix.py") == "fixed = True"


def test_edits_of_a_person_do_not_get_into_the_change(on_github: Job) -> None:
    (on_github.world.project / "alpha.txt").write_text("half done\n")
    said = on_github.run("dependencies", expect=1, NEW_LOCK=lock(numpy="2.1.0"))
    assert said == "Error: commit your changes first: alpha.txt\n"


def test_workflows_need_a_token_of_their_own(on_github: Job) -> None:
    on_github.world.release("v1.1.0", {".github/workflows/checks.yml": "on: push\n"})
    said = on_github.run("template", expect=1)
    assert ".github/workflows/checks.yml" in said
    assert "UPDATE_TOKEN" in said
    assert on_github.pushed() == ["main"]
    on_github.run("template", UPDATE_TOKEN=TOKEN)
    assert on_github.pushed() == ["main", "update/template"]


def test_a_long_plan_fits_the_forge(job: Job) -> None:
    job.world.release("v1.1.0", {f"many/{'x' * 60}{n}.txt": f"{n}\n" for n in range(80)})
    job.run("template")
    assert ("which the diff shows" in job.text()) == (job.forge.kind == "azure_devops")


def test_the_token_goes_to_git_by_its_environment_alone(job: Job, tmp_path: Path) -> None:
    """Its URL has no secret, even where a forge put one in; what git is told is in no argument."""
    git(job.world.project, "remote", "set-url", "origin", "http://ci:old@127.0.0.1:9/my-poc.git")
    log = tmp_path / "git.log"
    fake = Path(job.variables["PATH"].partition(os.pathsep)[0]) / "git"
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True)
    fake.write_text(
        f"#!/bin/sh\nprintf '%s|' \"$@\" >> {log}\nenv | grep GIT_CONFIG_ >> {log}\n"
        f'echo >> {log}\ncase "$1" in ls-remote) ;; *) exec {real.stdout.strip()} "$@";; esac\n'
    )
    fake.chmod(0o755)
    job.run("dependencies", expect=1, NEW_LOCK=lock(numpy="2.1.0"))
    text = log.read_text()
    assert "push|" in text
    assert "ci:old" not in text
    assert "GIT_CONFIG_KEY_0=http.http://127.0.0.1:9/.extraheader" in text
    assert re.search(r"GIT_CONFIG_VALUE_0=Authorization: (Basic|Bearer) \S{10}", text)
    arguments = [line for line in text.splitlines() if "|" in line]
    assert not [line for line in arguments if TOKEN in line or "Authorization" in line]
    assert TOKEN not in (job.world.project / ".git/config").read_text()


def test_what_the_update_leaves_to_do_stands_in_the_text(on_github: Job) -> None:
    """The package of this small project has no lock that uv can read."""
    on_github.world.release("v1.1.0", {"new.txt": "n\n"})
    on_github.run("template")
    assert "### To look at\n\n- " in on_github.text()
