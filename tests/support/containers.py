"""Real containers where there is no engine and no image registry: buildah and podman, as root.

    with World() as world:
        stand_in.python(world, "docker.io/library/python:3.13-slim-trixie")
        world.run("podman", "build", ...)
        world.run("podman", "run", ..., network=False)

A world is a set of namespaces: its mounts and processes are gone when it ends, whatever happens.
Commands that run with `network=False` share a network of their own, from which nothing leaves.

Images and layers stay in the cache folder of the user, so that the next world builds quickly, until
they are too many.
"""

import fcntl
import json
import os
import resource
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

STATE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "dayone-tests/containers"
# crun does not know version 1 and 2 of cgroups side by side. It is not needed here, so hide one.
NEW_WORLD = f"""\
set -e
[ ! -d /sys/fs/cgroup/unified ] || mount -t tmpfs -o size=4k none /sys/fs/cgroup/unified
mount -t tmpfs none {STATE}/run
ip link set lo up
echo ready
while read -r _; do :; done
"""
UNSHARE = ("unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child")
# The size of these needs a capability that a machine like CI's has not.
MOST_FILES, MOST_PROCESSES = 1048576, 32768
MOST_BYTES = 20 * 1024**3

STORAGE_CONF = """\
[storage]
driver = "{driver}"
graphroot = "{state}/images"
runroot = "{state}/run/storage"
"""
CONTAINERS_CONF = """\
[containers]
cgroups = "disabled"
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
tmp_dir = "{state}/run/libpod"
[network]
network_backend = "netavark"
network_config_dir = "{state}/run/networks"
"""


class CommandError(Exception):
    """A command in the world ended with another exit code than 0."""


class World:
    """One at a time on a machine; the next one waits."""

    def __enter__(self) -> Self:
        STATE.mkdir(parents=True, exist_ok=True)
        self._lock = (STATE / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        # Podman removes one layer after the other, which takes many minutes.
        if (STATE / "images").exists() and _size(STATE / "images") > MOST_BYTES:
            shutil.rmtree(STATE / "images")
        for name in ("conf", "images", "run", "tmp"):
            (STATE / name).mkdir(exist_ok=True)
        self._env = _configure()
        self._init = subprocess.Popen(
            [*UNSHARE, "--mount-proc", "--net", "bash", "-c", NEW_WORLD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._init.stdout is not None
        assert self._init.stdout.readline() == "ready\n", "needs root"
        pid = self._init.pid
        self._pid = Path(f"/proc/{pid}/task/{pid}/children").read_text().strip()
        self.run("podman", "rm", "--all", "--force")  # what a world that was killed left
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.run("podman", "rm", "--all", "--force", "--time", "0", network=False)
        self._init.kill()
        self._init.wait()
        self._lock.close()

    def start(
        self, *command: str | Path, cwd: Path | None = None, network: bool = True, **env: str
    ) -> subprocess.Popen[str]:
        """Start a command inside; without `network` it and its containers reach nothing outside."""
        enter = ["nsenter", f"--target={self._pid}", "--mount", "--pid"]
        enter += [] if network else ["--net"]
        enter += ["--", "env", f"--chdir={cwd or STATE / 'tmp'}"]
        return subprocess.Popen(
            [*enter, *map(str, command)],
            env={**os.environ, **self._env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def try_(
        self,
        *command: str | Path,
        cwd: Path | None = None,
        network: bool = True,
        timeout: float = 600,
        **env: str,
    ) -> tuple[int, str]:
        """Run a command inside; return its exit code and all that it printed."""
        process = self.start(*command, cwd=cwd, network=network, **env)
        try:
            said, _ = process.communicate(timeout=timeout)
        finally:
            process.kill()
        return process.returncode, said

    def run(
        self,
        *command: str | Path,
        cwd: Path | None = None,
        network: bool = True,
        timeout: float = 600,
        **env: str,
    ) -> str:
        """Run a command inside; return what it printed, or raise CommandError with it."""
        code, said = self.try_(*command, cwd=cwd, network=network, timeout=timeout, **env)
        if code != 0:
            raise CommandError(f"{' '.join(map(str, command))}: exit code {code}\n{said[-6000:]}")
        return said

    def has(self, image: str) -> bool:
        return self.try_("podman", "image", "exists", image)[0] == 0

    def image(self, name: str) -> dict[str, Any]:
        """What `podman image inspect` knows of an image."""
        return dict(json.loads(self.run("podman", "image", "inspect", name))[0])

    def get(self, url: str, data: str | None = None) -> tuple[int, str]:
        """The status and the text that a server inside answers; status 0 when none does."""
        ask = ["curl", "--silent", "--max-time", "10", "--write-out", "\n%{http_code}", url]
        if data is not None:
            ask += ["--header", "content-type: application/json", "--data", data]
        text, _, status = self.try_(*ask, network=False)[1].rpartition("\n")
        return int(status), text


def wait_for(what: Any, seconds: float = 60, every: float = 0.3) -> Any:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds: {what}"
        time.sleep(every)
    return answer


def _size(folder: Path) -> int:
    return int(
        subprocess.check_output(["du", "-s", "--block-size=1", folder], text=True).split()[0]
    )


def _configure() -> dict[str, str]:
    filesystem = subprocess.check_output(["stat", "-f", "-c", "%T", STATE], text=True).strip()
    files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1] % 2**63, MOST_FILES)
    processes = min(resource.getrlimit(resource.RLIMIT_NPROC)[1] % 2**63, MOST_PROCESSES)
    storage, containers = STATE / "conf/storage.conf", STATE / "conf/containers.conf"
    driver = "vfs" if filesystem == "overlayfs" else "overlay"
    storage.write_text(STORAGE_CONF.format(driver=driver, state=STATE))
    containers.write_text(CONTAINERS_CONF.format(files=files, processes=processes, state=STATE))
    return {
        "CONTAINERS_STORAGE_CONF": str(storage),
        "CONTAINERS_CONF": str(containers),
        "TMPDIR": str(STATE / "tmp"),
        # Steps of a build share this machine's network, and its namespaces.
        "BUILDAH_ISOLATION": "chroot",
        # HEALTHCHECK has no timer without systemd: tests run it themselves.
        "DISABLE_HC_SYSTEMD": "true",
    }
