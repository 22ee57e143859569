#!/usr/bin/env python3
"""A `podman` that can wait until a container is healthy, where there is no systemd to look at it.

Newer versions wait themselves, while a timer of systemd runs the health check. Here it is run by
whoever waits, and when it first passed is noted in HEALTHY_LOG. All else is for the real podman.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

PODMAN = "/usr/bin/podman"
PATIENCE = 120


def wait_until_healthy(name: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while subprocess.run([PODMAN, "healthcheck", "run", name], capture_output=True).returncode:
        if time.monotonic() > deadline:
            sys.exit(f"{name} is not healthy")
        time.sleep(0.5)
    with Path(os.environ["HEALTHY_LOG"]).open("a") as log:
        log.write(f"{name} {time.time()}\n")


arguments = sys.argv[1:]
if arguments[:1] == ["--version"]:
    print("podman version 4.6.0")  # the first that podman-compose asks to wait
elif arguments[:2] == ["wait", "--condition=healthy"]:
    for name in arguments[2:]:
        wait_until_healthy(name)
else:
    os.execv(PODMAN, [PODMAN, *arguments])
