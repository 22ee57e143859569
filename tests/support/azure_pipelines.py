"""Azure pipelines, read as Azure reads them: templates, parameters, variables, conditions.

    pipeline = read(project / ".azuredevops/checks.yml")
    pipeline = read(path, variables={"REGISTRY": "example.azurecr.io"})  # as if a person had set it
    pipeline = read(path, {"job": "retrain"})                           # by hand, for this job
    pipeline = read(path, schedule="weekly")                            # by the clock

What does not resolve raises RefusedError, as does whatever our pipelines do not use: a reader that
passes over what it does not know would prove nothing. support.azure_machine runs what this returns.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from support.azure_expressions import RefusedError, evaluate, truth

# What Azure itself sets, as far as our pipelines use it.
PREDEFINED = frozenset(
    (
        "Agent.OS",
        "Agent.TempDirectory",
        "Build.ArtifactStagingDirectory",
        "Build.BuildId",
        "Build.Reason",
        "Build.Repository.ID",
        "Build.Repository.Uri",
        "Build.SourceBranch",
        "Build.SourceVersion",
        "Pipeline.Workspace",
        "System.AccessToken",
        "System.CollectionUri",
        "System.DefinitionId",
        "System.JobAttempt",
        "System.PullRequest.TargetBranch",
        "System.TeamProject",
    )
)
SCHEDULE = "Build.CronSchedule.DisplayName"
# What people set in the settings of a pipeline; where they have not, its name is handed on.
SET_BY_PEOPLE = frozenset(("SOURCES_ENV",))
STATUS = ("succeeded", "succeededOrFailed", "failed", "always")
TASKS = {
    "AWSShellScript@1": {"awsCredentials", "regionName", "scriptType", "inlineScript"},
    "AzureCLI@2": {
        "addSpnToEnvironment",
        "allowNoSubscriptions",
        "azureSubscription",
        "inlineScript",
        "scriptLocation",
        "scriptType",
    },
    "Cache@2": {"key", "restoreKeys", "path"},
    "Docker@2": {"command", "containerRegistry"},
    "PublishPipelineArtifact@1": {"targetPath", "artifact"},
    "UsePythonVersion@0": {"versionSpec"},
}
MACRO = re.compile(r"\$\(([A-Za-z_][\w.]*)\)")
COMPILED = re.compile(r"\$\{\{(.*?)\}\}")
RUNTIME = re.compile(r"\$\[(.*)\]")
BRANCH = re.compile(r"\$\{\{\s*(if|else)\b(.*?)\}\}")
IN_SHELL = re.compile(r"\b(?:AGENT|BUILD|PIPELINE|SYSTEM)_[A-Z_]+\b")
OUTPUT = re.compile(r"##vso\[task\.setvariable variable=(\w+);isOutput=true\]")


@dataclass(frozen=True)
class Step:
    title: str
    name: str = ""
    script: str = ""
    # A task, or "checkout".
    task: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    condition: str = "succeeded()"


@dataclass(frozen=True)
class Job:
    name: str
    depends_on: tuple[str, ...]
    condition: str
    minutes: int
    # The variables of each run of it: one, or one of each entry of the matrix.
    legs: dict[str, dict[str, str]]
    variables: dict[str, str]
    steps: tuple[Step, ...]
    environment: str = ""


@dataclass(frozen=True)
class Pipeline:
    path: Path
    content: dict[str, Any]
    variables: dict[str, str]
    jobs: dict[str, Job]


def read(
    path: Path,
    parameters: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    schedule: str = "",
) -> Pipeline:
    content = _load(path)
    _only(content, "trigger pr schedules parameters pool variables jobs", path.name)
    given = _parameters(content, parameters or {}, path)
    context = _Context(path, given, {SCHEDULE: schedule})
    shared = dict(_variables(content.get("variables", []), context)) | dict(variables or {})
    context = _Context(path, given, shared)
    jobs = [_job(entry, context) for entry in content["jobs"]]
    pipeline = Pipeline(path, content, shared, {job.name: job for job in jobs})
    if len(pipeline.jobs) != len(jobs):
        raise RefusedError(f"{path.name}: two jobs of one name")
    for job in jobs:
        _check(job, pipeline)
    return pipeline


# What is known before a run begins ---------------------------------------------------------------


@dataclass(frozen=True)
class _Context:
    path: Path
    parameters: dict[str, str]
    variables: dict[str, str]

    def value(self, expression: str) -> Any:
        names = {"parameters": self._parameter, "variables": self._variable}
        return evaluate(expression, names)

    def _parameter(self, keys: list[str]) -> str:
        if len(keys) != 1 or keys[0] not in self.parameters:
            raise RefusedError(f"{self.path.name}: the parameter {'.'.join(keys)}")
        return self.parameters[keys[0]]

    def _variable(self, keys: list[str]) -> str | None:
        # Azure takes a name that nobody has defined for an empty text.
        if len(keys) != 1 or keys[0] not in self.variables:
            raise RefusedError(f"{self.path.name}: the variable {'.'.join(keys)}")
        return self.variables[keys[0]]

    def text(self, text: Any) -> str:
        if isinstance(text, bool):
            return str(text).lower()
        return COMPILED.sub(lambda found: str(self.value(found[1]) or ""), str(text))

    def texts(self, given: Mapping[str, Any]) -> dict[str, str]:
        return {str(name): self.text(value) for name, value in given.items()}


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise RefusedError(f"there is no {path}")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise RefusedError(f"{path.name} is no mapping")
    return content


def _only(given: Mapping[str, Any], allowed: str, where: str) -> None:
    if unknown := given.keys() - set(allowed.split()):
        raise RefusedError(f"{where}: {', '.join(sorted(unknown))}")


def _parameters(content: dict[str, Any], given: Mapping[str, str], path: Path) -> dict[str, str]:
    values = {}
    for declared in content.get("parameters", []):
        _only(declared, "name type default values", path.name)
        name = declared["name"]
        if declared["type"] != "string":
            raise RefusedError(f"{path.name}: {name} is a {declared['type']}")
        if name not in given and "default" not in declared:
            raise RefusedError(f"{path.name}: nothing is given for {name}")
        values[name] = str(given.get(name, declared.get("default")))
        if values[name] not in declared.get("values", [values[name]]):
            raise RefusedError(f"{path.name}: {name} cannot be {values[name]}")
    if unknown := given.keys() - values.keys():
        raise RefusedError(f"{path.name} takes no {', '.join(sorted(unknown))}")
    return values


def _variables(given: Any, context: _Context) -> Iterator[tuple[str, str]]:
    if isinstance(given, dict):
        given = [{"name": name, "value": value} for name, value in given.items()]
    for entry in given:
        if "template" in entry:
            _only(entry, "template", context.path.name)
            path = context.path.parent / entry["template"]
            content = _load(path)
            _only(content, "variables", path.name)
            yield from _variables(content["variables"], _Context(path, {}, {}))
        else:
            _only(entry, "name value", context.path.name)
            if not isinstance(entry["value"], str):
                raise RefusedError(f"{context.path.name}: {entry['name']} is no text")
            yield entry["name"], context.text(entry["value"])


def _job(entry: dict[str, Any], context: _Context) -> Job:
    if "deployment" in entry:
        _only(entry, "deployment environment timeoutInMinutes strategy", "a deployment")
        steps = entry["strategy"]["runOnce"]["deploy"]["steps"]
        legs: dict[str, dict[str, str]] = {"": {}}
    else:
        allowed = "job dependsOn condition timeoutInMinutes strategy variables steps"
        _only(entry, allowed, f"the job {entry.get('job')}")
        steps = entry["steps"]
        legs = entry.get("strategy", {"matrix": {"": {}}})["matrix"]
    depends = entry.get("dependsOn", [])
    return Job(
        name=entry.get("job") or entry["deployment"],
        depends_on=(depends,) if isinstance(depends, str) else tuple(depends),
        condition=context.text(entry.get("condition", "succeeded()")),
        minutes=int(entry["timeoutInMinutes"]),
        legs={leg: context.texts(own) for leg, own in legs.items()},
        variables=context.texts(entry.get("variables", {})),
        steps=tuple(_steps(steps, context)),
        environment=entry.get("environment", ""),
    )


def _steps(given: list[dict[str, Any]], context: _Context) -> Iterator[Step]:
    taken: bool | None = None  # whether the `if` before has been; None where there was none
    for entry in given:
        [first] = list(entry)[:1]
        branch = BRANCH.fullmatch(first)
        if branch is None:
            taken = None
            if first == "template":
                yield from _template(entry, context)
            else:
                yield _step(entry, context)
            continue
        if branch[1] == "else":
            if taken is None:
                raise RefusedError(f"{context.path.name}: else without if")
            chosen = not taken
        else:
            chosen = truth(context.value(branch[2]))
        taken = chosen if branch[1] == "if" else None
        inner = list(_steps(entry[first], context))  # what is left out must resolve as well
        if chosen:
            yield from inner


def _template(entry: dict[str, Any], context: _Context) -> Iterator[Step]:
    _only(entry, "template parameters", context.path.name)
    path = context.path.parent / context.text(entry["template"])
    content = _load(path)
    _only(content, "parameters steps", path.name)
    given = _parameters(content, context.texts(entry.get("parameters", {})), path)
    yield from _steps(content["steps"], _Context(path, given, context.variables))


def _step(entry: dict[str, Any], context: _Context) -> Step:
    where = f"{context.path.name}: a step"
    title = context.text(entry.get("displayName", ""))
    rest = {"name": entry.get("name", ""), "env": context.texts(entry.get("env", {}))}
    rest["condition"] = context.text(entry.get("condition", "succeeded()"))
    if "checkout" in entry:
        _only(entry, "checkout fetchDepth fetchTags persistCredentials", where)
        if entry["checkout"] != "self":
            raise RefusedError(f"{where}: checkout of {entry['checkout']}")
        inputs = {name: value for name, value in entry.items() if name != "checkout"}
        return Step("checkout", task="checkout", inputs=context.texts(inputs))
    if "task" in entry:
        _only(entry, "task displayName name condition env inputs", where)
        if entry["task"] not in TASKS:
            raise RefusedError(f"{where}: the task {entry['task']}")
        _only(entry["inputs"], " ".join(TASKS[entry["task"]]), where)
        inputs = context.texts(entry["inputs"])
        return Step(title or entry["task"], task=entry["task"], inputs=inputs, **rest)
    _only(entry, "bash displayName name condition env", where)
    return Step(title or "bash", script=context.text(entry["bash"]), **rest)


# What a run will ask for -------------------------------------------------------------------------


def _check(job: Job, pipeline: Pipeline) -> None:
    """Every job, output and variable that this job names is there."""
    for name in job.depends_on:
        if name not in pipeline.jobs:
            raise RefusedError(f"{job.name} depends on {name}, which is no job")
    conditions = {name: lambda: True for name in STATUS}
    names = known(job, pipeline, lambda name: "", lambda job, output: "")
    evaluate(job.condition, names, conditions)
    for value in job.variables.values():
        if found := RUNTIME.fullmatch(value):
            evaluate(found[1], names)
    for step in job.steps:
        evaluate(step.condition, names, conditions)
        for text in (step.script, *step.inputs.values(), *step.env.values()):
            for name in MACRO.findall(text):
                names["variables"]([name])
            for name in IN_SHELL.findall(text):
                if name not in {shell_name(one) for one in PREDEFINED}:
                    raise RefusedError(f"{job.name}: ${name}")


def known(
    job: Job,
    pipeline: Pipeline,
    variable: Callable[[str], Any],
    output: Callable[[str, str], Any],
) -> dict[str, Callable[[list[str]], Any]]:
    """What expressions of a job may name, with these for their values."""
    defined = {*pipeline.variables, *job.variables, *PREDEFINED, *SET_BY_PEOPLE}
    defined |= {name for leg in job.legs.values() for name in leg}

    def variables(keys: list[str]) -> Any:
        if len(keys) != 1 or keys[0] not in defined:
            raise RefusedError(f"{job.name}: the variable {'.'.join(keys)}")
        return variable(keys[0])

    def dependencies(keys: list[str]) -> Any:
        if len(keys) != 3 or keys[0] not in job.depends_on or keys[1] != "outputs":
            raise RefusedError(f"{job.name}: dependencies.{'.'.join(keys)}")
        if keys[2] not in set(outputs(pipeline.jobs[keys[0]])):
            raise RefusedError(f"{job.name}: {keys[0]} says nothing of {keys[2]}")
        return output(keys[0], keys[2])

    return {"variables": variables, "dependencies": dependencies}


def outputs(job: Job) -> Iterator[str]:
    """What the steps of a job hand on to other jobs."""
    for step in job.steps:
        for name in OUTPUT.findall(step.script):
            yield f"{step.name}.{name}"


def shell_name(name: str) -> str:
    """The name by which a shell sees a variable."""
    return name.upper().replace(".", "_")
