"""Runs an Azure pipeline on this machine: its jobs in order, each script of theirs by bash.

    machine = Machine(folder, env=runner(folder), origin=project.with_suffix(".git"))
    ran = machine.run(read(project / ".azuredevops/checks.yml"), branch="change", into="main")
    assert ran["lint"].outcome == "succeeded", ran["lint"].log

A job's checkout fetches from `origin` no more than it says. Jobs follow each other in one folder,
as on an agent of one's own: what git does not know is removed before each, but for .venv. Tasks do
here what they do on an agent, as far as the steps after them can tell.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from support.azure_expressions import RefusedError, evaluate, truth
from support.azure_pipelines import (
    MACRO,
    RUNTIME,
    Job,
    Pipeline,
    Step,
    known,
    shell_name,
)
from support.git import git
from support.pythons import interpreter

COMMAND = re.compile(r"##vso\[(?P<name>[\w.]+)(?P<given>[^\]]*)\](?P<value>.*)")
TOKEN = "a-token-of-the-run"  # noqa: S105
# What an agent's images have that a machine of tests may not.
STANDS_FOR = {
    "sudo": '#!/bin/sh\nexec "$@"\n',
    # Installed before: nothing here may change the machine.
    "apt-get": '#!/bin/sh\n[ "$1" = update ] && exit\n'
    "for name; do case $name in -*|install) continue;; esac\n"
    'dpkg --status "$name" > /dev/null || exit 100\ndone\n',
}


@dataclass
class Ran:
    """What became of a job; a leg of its matrix has an entry of its own, `tests python311`."""

    outcome: str
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, Path] = field(default_factory=dict)
    summaries: list[str] = field(default_factory=list)
    # Each step that was run, and whether it did well.
    steps: list[tuple[str, bool]] = field(default_factory=list)


class Machine:
    def __init__(
        self,
        folder: Path,
        env: dict[str, str],
        origin: Path,
        variables: dict[str, str] | None = None,
        commands: dict[str, str] | None = None,
    ) -> None:
        """``variables`` are those that people have set; ``commands`` more programs."""
        self.folder, self.env, self.origin = folder, env, origin
        self.variables = variables or {}
        self.tools = folder / "tools"
        self.tools.mkdir(parents=True)
        for name, text in {**STANDS_FOR, **(commands or {})}.items():
            (self.tools / name).write_text(text)
            (self.tools / name).chmod(0o755)

    def run(
        self,
        pipeline: Pipeline,
        branch: str = "main",
        into: str = "",
        jobs: Iterable[str] = (),
        legs: Iterable[str] = (),
    ) -> dict[str, Ran]:
        """Run all jobs, or these and what they depend on; with ``into``, for a pull request.

        ``legs`` are the entries of a matrix that are run, if not all.
        """
        ref = self._merge(branch, into) if into else f"refs/heads/{branch}"
        if branch.startswith("v") and not into:
            ref = f"refs/tags/{branch}"
        self.predefined = {
            "Agent.OS": "Linux",
            "Build.BuildId": "7",
            "Build.Reason": "PullRequest" if into else "IndividualCI",
            "Build.Repository.ID": "a-repository",
            "Build.Repository.Uri": "https://dev.azure.com/acme/poc/_git/my-poc",
            "Build.SourceBranch": ref,
            "Build.SourceVersion": git(self.origin, "rev-parse", f"{ref}^{{commit}}"),
            "System.AccessToken": TOKEN,
            "System.CollectionUri": "https://dev.azure.com/acme/",
            "System.DefinitionId": "3",
            "System.JobAttempt": "1",
            "System.PullRequest.TargetBranch": f"refs/heads/{into}" if into else "",
            "System.TeamProject": "poc",
        }
        wanted = set(jobs) or set(pipeline.jobs)
        wanted |= {need for name in wanted for need in pipeline.jobs[name].depends_on}
        ran: dict[str, Ran] = {}
        for job in _in_order(pipeline):
            if job.name not in wanted:
                continue
            chosen = [leg for leg in job.legs if not leg or not legs or leg in legs]
            each = {leg: _Leg(self, pipeline, job, leg, ran).run() for leg in chosen}
            ran |= {f"{job.name} {leg}".strip(): one for leg, one in each.items()}
            if "" not in each:
                outcomes = {one.outcome for one in each.values()}
                [outcome] = outcomes if len(outcomes) == 1 else ["failed"]
                ran[job.name] = Ran(outcome, "".join(one.log for one in each.values()))
        return ran

    def _merge(self, branch: str, into: str) -> str:
        """The merge that Azure Repos makes of a pull request, and checks out."""
        ref, folder = "refs/pull/1/merge", self.folder / "merge"
        shutil.rmtree(folder, ignore_errors=True)
        git(self.folder, "clone", "--quiet", "--branch", into, str(self.origin), str(folder))
        git(folder, "merge", "--quiet", "--no-ff", "--message", "Merge", f"origin/{branch}")
        git(folder, "push", "--quiet", "--force", "origin", f"HEAD:{ref}")
        return ref


def _in_order(pipeline: Pipeline) -> list[Job]:
    ordered: list[Job] = []
    while len(ordered) < len(pipeline.jobs):
        done = {job.name for job in ordered}
        ready = [job for job in pipeline.jobs.values() if job.name not in done]
        ready = [job for job in ready if set(job.depends_on) <= done]
        if not ready:
            raise RefusedError(f"{pipeline.path.name}: jobs wait for each other")
        ordered += ready
    return ordered


class _Leg:
    """One run of a job."""

    def __init__(
        self, machine: Machine, pipeline: Pipeline, job: Job, leg: str, before: dict[str, Ran]
    ) -> None:
        self.machine, self.job, self.before = machine, job, before
        # Each leg has another Python, and so another .venv.
        self.folder = machine.folder / "work" / (leg or "1")
        self.code = self.folder / "s"
        places = {
            "Agent.TempDirectory": self.folder / "tmp",
            "Build.ArtifactStagingDirectory": self.folder / "a",
            "Pipeline.Workspace": self.folder,
        }
        self.values = {
            **machine.predefined,
            **{name: str(place) for name, place in places.items()},
            **pipeline.variables,
            **machine.variables,
            **job.legs[leg],
        }
        self.names = known(job, pipeline, self.values.get, self._output)
        self.path = [str(machine.tools), *machine.env["PATH"].split(os.pathsep)]
        self.deadline = time.monotonic() + 60 * job.minutes
        self.ran = Ran("succeeded")

    def run(self) -> Ran:
        good = all(self.before[name].outcome == "succeeded" for name in self.job.depends_on)
        if not self._holds(self.job.condition, good):
            return Ran("skipped")
        for folder in ("a", "home", "python", "tmp"):
            shutil.rmtree(self.folder / folder, ignore_errors=True)
            (self.folder / folder).mkdir(parents=True)
        self.code.mkdir(exist_ok=True)
        for name, value in self.job.variables.items():
            found = RUNTIME.fullmatch(value)
            self.values[name] = str(evaluate(found[1], self.names) or "") if found else value
        for step in self.job.steps:
            if not self._holds(step.condition, self.ran.outcome == "succeeded"):
                continue
            self._say(f"\n── {self.job.name}: {step.title}\n")
            done = self._step(step)
            self.ran.steps.append((step.title, done))
            if not done:
                self.ran.outcome = "failed"
        return self.ran

    def _holds(self, condition: str, good: bool) -> bool:
        functions = {
            "succeeded": lambda: good,
            "failed": lambda: not good,
            "succeededOrFailed": lambda: True,
            "always": lambda: True,
        }
        return truth(evaluate(condition, self.names, functions))

    def _output(self, job: str, name: str) -> str | None:
        return self.before[job].outputs.get(name)

    def _say(self, text: str) -> None:
        self.ran.log += text

    def _expand(self, text: str) -> str:
        """Azure leaves the name of what nobody has set as it is."""
        for _ in range(3):  # a value may name another
            text = MACRO.sub(lambda found: self.values.get(found[1], found[0]), text)
        return text

    def _step(self, step: Step) -> bool:
        given = {name: self._expand(value) for name, value in step.inputs.items()}
        match step.task.partition("@")[0]:
            case "":
                return self._bash(step, step.script)
            case "checkout":
                return self._checkout(given)
            case "UsePythonVersion":
                return self._python(given["versionSpec"])
            case "Cache":
                return self._cache(Path(given["path"]))
            case "PublishPipelineArtifact":
                return self._publish(self.code / given["targetPath"], given["artifact"])
            case "Docker":
                return self._log_in(given)
            case "AzureCLI":
                own = {"AZURE_CONFIG_DIR": str(self.folder / "tmp/azure")}
                if given.get("addSpnToEnvironment") == "true":
                    own |= {"servicePrincipalId": "an-id", "idToken": "an-id-token"}
                return self._bash(step, step.inputs["inlineScript"], own)
            case "AWSShellScript":
                own = {"AWS_ACCESS_KEY_ID": "an-id", "AWS_SECRET_ACCESS_KEY": "a-key"}
                own |= {"AWS_SESSION_TOKEN": "a-token", "AWS_REGION": given["regionName"]}
                return self._bash(step, step.inputs["inlineScript"], own)
        raise RefusedError(f"{self.job.name}: the task {step.task}")

    def _bash(self, step: Step, script: str, own: dict[str, str] | None = None) -> bool:
        path = self.folder / "tmp/script.sh"
        path.write_text(self._expand(script), encoding="utf-8")
        # Secrets reach a script only where its step asks for them.
        shared = {k: v for k, v in self.values.items() if v != TOKEN and k != "SOURCES_ENV"}
        env = self.machine.env | {"HOME": str(self.folder / "home")}
        env |= {shell_name(name): self._expand(value) for name, value in shared.items()}
        env |= {"PATH": os.pathsep.join(self.path)} | (own or {})
        env |= {name: self._expand(value) for name, value in step.env.items()}
        process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", str(path)],
            cwd=self.code,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=max(1, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            said += f"\nended after {self.job.minutes} minutes\n"
        self._say(said)
        told = [self._obey(step, found) for found in COMMAND.finditer(said)]
        return process.returncode == 0 and all(told)

    def _obey(self, step: Step, found: re.Match[str]) -> bool:
        """Do what a line of a script asks the agent for; whether that could be done."""
        given = dict(pair.split("=", 1) for pair in found["given"].strip().split(";") if pair)
        match found["name"]:
            case "task.setvariable" if given.get("isOutput") == "true" and step.name:
                self.ran.outputs[f"{step.name}.{given['variable']}"] = found["value"]
            case "task.uploadsummary":
                summary = Path(found["value"])
                if not summary.is_file():
                    return False
                self.ran.summaries.append(summary.read_text(encoding="utf-8"))
            case "task.logissue" if given["type"] == "error" and found["value"]:
                pass
            case _:
                raise RefusedError(f"{self.job.name}: {found[0]}")
        return True

    def _checkout(self, given: dict[str, str]) -> bool:
        depth = int(given["fetchDepth"])
        ref = self.machine.predefined["Build.SourceBranch"]
        fetch = ["fetch", "--quiet", "--tags" if given.get("fetchTags") == "true" else "--no-tags"]
        fetch += [f"--depth={depth}"] if depth else []
        refs = [f"+{ref}:refs/remotes/run"]
        refs += [] if depth else ["+refs/heads/*:refs/remotes/origin/*"]
        shutil.rmtree(self.code / ".git", ignore_errors=True)
        git(self.code, "init", "--quiet", "--initial-branch=main")
        git(self.code, "remote", "add", "origin", self.machine.origin.absolute().as_uri())
        git(self.code, *fetch, "origin", *refs)
        git(self.code, "checkout", "--quiet", "--force", "--detach", "refs/remotes/run")
        git(self.code, "clean", "--quiet", "-ffdx", "--exclude=/.venv")
        return True

    def _python(self, version: str) -> bool:
        """Put this version first on the PATH."""
        folder = self.folder / "python"
        for name in ("python", "python3"):
            (folder / name).symlink_to(interpreter(version))
        self.path.insert(0, str(folder))
        return True

    def _cache(self, path: Path) -> bool:
        """Bring what earlier runs have kept: here, what this machine has."""
        kept = self.machine.env["UV_CACHE_DIR"]
        if not path.is_symlink():
            path.symlink_to(kept, target_is_directory=True)
        return True

    def _publish(self, source: Path, name: str) -> bool:
        target = self.machine.folder / "artifacts" / name
        if not source.exists() or not any([source.is_file(), *source.glob("*")]):
            self._say(f"there is nothing in {source}\n")
            return False
        shutil.rmtree(target, ignore_errors=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            target.mkdir(parents=True)
            shutil.copy(source, target)
        self.ran.artifacts[name] = target
        return True

    def _log_in(self, given: dict[str, str]) -> bool:
        assert given["command"] == "login"
        self._say(f"logged in by {given['containerRegistry']}\n")
        return True
