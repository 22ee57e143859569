"""What an answer costs: a project's service beside others that serve its model.

First `nox -s load` of the project itself: the champion against a twin that answers a constant. Then
the service against those of MLflow, BentoML and LitServe, which compute the same features and run
the same ONNX model on the same row, and log no request. One worker and 16 connections each, under
wrk, in turns; medians of the rounds.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from results import clone, environment, keep, median, table

ROUNDS, SECONDS = 5, 5
CONNECTIONS = 16
PATIENCE = 120
RIVALS = Path(__file__).with_name("rivals")
SCRIPT = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = io.open(os.getenv("BODY")):read("a")
function done(summary, latency)
  local failed = 0
  for _, count in pairs(summary.errors) do failed = failed + count end
  io.write(string.format('\\n{"requests": %d, "failed": %d, "seconds": %f, "p99_ms": %f}\\n',
    summary.requests, failed, summary.duration / 1e6, latency:percentile(99) / 1e3))
end
"""


class Server(NamedTuple):
    """How to start it, where it listens below its port, what it is sent, and what it must know."""

    command: list[str]
    path: str
    body: dict[str, Any]
    env: dict[str, str]


def main() -> None:
    rounds, seconds = map(int, sys.argv[1:]) if sys.argv[1:] else (ROUNDS, SECONDS)
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed: `apt install wrk`")
    with clone() as template, tempfile.TemporaryDirectory(prefix="dayone-bench-") as name:
        folder = Path(name)
        project = make_project(template, folder / "my-poc")
        twin = measure_twin(project, rounds, seconds)
        servers = prepare(project, folder)
        answers = {name: probability(server, project) for name, server in servers.items()}
        if max(answers.values()) - min(answers.values()) > 1e-6:
            sys.exit(f"they do not answer the same: {answers}")
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
        for turn in range(rounds):
            for name in sorted(servers, reverse=turn % 2 == 1):
                runs[name].append(measure(servers[name], project, folder, seconds))
        report(rounds, seconds, twin, runs)


def make_project(template: Path, dest: Path) -> Path:
    """A project of the defaults in which the loop has run."""
    venv = template / ".venv"
    env = environment()
    subprocess.run([sys.executable, "-m", "venv", str(venv)], env=env, check=True)
    run([str(venv / "bin/pip"), "install", "--quiet", "."], template)
    run([str(venv / "bin/dayone"), "new", str(dest), "--defaults", "--run"], template)
    return dest


def measure_twin(project: Path, rounds: int, seconds: int) -> dict[str, Any]:
    options = ["--json", "--rounds", str(rounds), "--seconds", str(seconds)]
    printed = run([str(project / ".venv/bin/python"), "tools/load.py", *options], project)
    figures: dict[str, Any] = json.loads(printed)
    return figures


def prepare(project: Path, folder: Path) -> dict[str, Server]:
    """The servers, each rival in a virtual environment of its own with the project's package."""
    (model,) = (project / "storage/models/my-poc").glob("*/model.onnx")
    uv = str(project / ".venv/bin/uv")
    for rival in ("mlflow", "bentoml", "litserve"):
        python = str(folder / rival / "bin/python")
        run([uv, "venv", "--quiet", "--python", sys.executable, str(folder / rival)], project)
        run([uv, "pip", "install", "--quiet", "--python", python, rival, str(project)], project)
    saved = str(folder / "model")
    mlflow = folder / "mlflow/bin"
    script = str(RIVALS / "save_mlflow_model.py")
    run([str(mlflow / "python"), script, str(model.parent), saved], folder)
    row = example(project)
    serve = [str(mlflow / "mlflow"), "models", "serve", "--env-manager", "local", "--workers", "1"]
    lit = [str(folder / "litserve/bin/python"), str(RIVALS / "litserve_app.py"), str(model.parent)]
    bento = [str(folder / "bentoml/bin/bentoml"), "serve", "bentoml_app:Predict"]
    bento += ["--working-dir", str(RIVALS), "--host", "127.0.0.1"]
    bento_env = {"MODEL": str(model.parent), "BENTOML_DO_NOT_TRACK": "True"}
    return {
        "project": Server(
            [str(project / ".venv/bin/my-poc"), "serve", "--port"], "/predict", row, {}
        ),
        "mlflow models serve": Server(
            [*serve, "--model-uri", saved, "--port"],
            "/invocations",
            {"dataframe_records": [row]},
            {},
        ),
        "BentoML": Server([*bento, "--port"], "/predict", {"row": row}, bento_env),
        "LitServe": Server(lit, "/predict", row, {}),
    }


def example(project: Path) -> dict[str, Any]:
    """The row that the project's own page shows."""
    code = (
        "import json; from my_poc import settings, store; from my_poc.serve import champion\n"
        "models = store.ModelStore(settings.Settings().model_store, settings.MODEL_NAME)\n"
        "print(json.dumps(champion.load(models, models.champion()).schema.example()))"
    )
    row: dict[str, Any] = json.loads(run([str(project / ".venv/bin/python"), "-c", code], project))
    return row


@contextmanager
def running(server: Server, project: Path) -> Iterator[int]:
    """A server that answers, with all that it starts; yields its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(server.command[0]).parent
    path = f"{program}{os.pathsep}{os.environ['PATH']}"
    env = environment(PATH=path, MLFLOW_DISABLE_TELEMETRY="true", **server.env)
    silent = subprocess.DEVNULL
    process = subprocess.Popen(
        [*server.command, str(port)],
        cwd=project,
        env=env,
        stdout=silent,
        stderr=silent,
        start_new_session=True,
    )
    try:
        wait_for_answer(port, server, process)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=PATIENCE)


def wait_for_answer(port: int, server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            ask(port, server)
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"no answer from {' '.join(server.command)}")


def ask(port: int, server: Server) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    headers = {"content-type": "application/json"}
    connection.request("POST", server.path, json.dumps(server.body), headers)
    answer = connection.getresponse()
    content = answer.read().decode()
    if answer.status != http.HTTPStatus.OK:
        sys.exit(f"{' '.join(server.command[:3])} answers {answer.status}: {content}")
    return json.loads(content)


def probability(server: Server, project: Path) -> float:
    with running(server, project) as port:
        answer = ask(port, server)
    return float(answer["predictions"][0] if "predictions" in answer else answer["probability"])


def measure(server: Server, project: Path, folder: Path, seconds: int) -> dict[str, float]:
    """What wrk found, after a second to warm up; all requests must have been answered."""
    (folder / "body").write_text(json.dumps(server.body), encoding="utf-8")
    (folder / "script.lua").write_text(SCRIPT, encoding="utf-8")
    wrk = ["wrk", "-t1", f"-c{CONNECTIONS}", "-s", str(folder / "script.lua")]
    env = environment(BODY=str(folder / "body"))
    with running(server, project) as port:
        for duration in (1, seconds):
            command = [*wrk, f"-d{duration}s", f"http://127.0.0.1:{port}{server.path}"]
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
            printed = done.stdout
    found: dict[str, float] = json.loads(printed.splitlines()[-1])
    if found["failed"]:
        sys.exit(f"requests failed:\n{printed}")
    return {"per_second": found["requests"] / found["seconds"], "p99_ms": found["p99_ms"]}


def report(
    rounds: int, seconds: int, twin: dict[str, Any], runs: dict[str, list[dict[str, float]]]
) -> None:
    found = {
        name: {key: median([run[key] for run in each]) for key in ("per_second", "p99_ms")}
        for name, each in runs.items()
    }
    ours = found["project"]["per_second"]
    times = {name: round(ours / each["per_second"], 2) for name, each in found.items()}
    rows = [
        [name, f"{each['per_second']:.0f}", f"{each['p99_ms']:.1f}", times[name]]
        for name, each in found.items()
    ]
    table(["Server", "Requests/s", "p99 ms", "Project's rate is"], rows)
    table(["Champion to constant", "Ratio"], [[key, value] for key, value in twin["ratio"].items()])
    keep(
        "serving",
        {
            "rounds": rounds,
            "seconds": seconds,
            "connections": CONNECTIONS,
            "twin": twin,
            "servers": found,
            "project_to": {name: value for name, value in times.items() if name != "project"},
        },
    )


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, env=paths(command), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(command[:4])} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def paths(command: list[str]) -> dict[str, str]:
    """An environment in which a program finds those that are installed beside it."""
    return environment(PATH=f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}")


if __name__ == "__main__":
    main()
