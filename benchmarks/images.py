"""How much the images of a project add to the Python image that they begin from.

They are built as the tests build them: by the project's own command, from stand-ins that are made
of Debian's packages, for Debian's Python. What they begin from is subtracted.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from results import ROOT, keep, table

sys.path.insert(0, str(ROOT / "tests"))

from support import stand_in
from support.containers import World
from support.images import TARGETS, Workshop, stand_ins

# By the command, the package of Debian that has it.
TOOLS = {name: name for name in ("buildah", "crun", "curl", "mmdebstrap", "podman")}
TOOLS["ip"] = "iproute2"
LEAVE_OUT = "--without-images"
MEGABYTE = 1e6


def main() -> None:
    if missing := lacking():
        wanted = f"the sizes of images need {', '.join(missing)}"
        if LEAVE_OUT in sys.argv[1:]:
            sys.stdout.write(f"{wanted}: left out\n")
            return
        sys.exit(f"{wanted}; {LEAVE_OUT} goes on without them")
    with World() as world, tempfile.TemporaryDirectory(prefix="dayone-bench-") as folder:
        stand_ins(world)
        workshop = Workshop(world, Path(folder))
        base = megabytes(world, stand_in.BASE)
        sizes = {
            f"{choice}, {target}": round(megabytes(world, workshop.image(choice, target)) - base, 1)
            for choice, targets in TARGETS.items()
            for target in targets
        }
    table(["Serving, image", "MB over its base"], [[name, size] for name, size in sizes.items()])
    keep("images", {"base_megabytes": round(base, 1), "megabytes_over_base": sizes})


def lacking() -> list[str]:
    """What is not there of what it needs."""
    packages = [package for name, package in TOOLS.items() if shutil.which(name) is None]
    install = [f"`apt install {' '.join(packages)}`"] if packages else []
    return ([] if os.geteuid() == 0 else ["root"]) + install


def megabytes(world: World, image: str) -> float:
    return float(world.image(image)["Size"]) / MEGABYTE


if __name__ == "__main__":
    main()
