"""Pictures for the documentation: the top of a project's reports, as a browser shows them.

    python docs/pictures.py ../my-poc

It needs chromium on the PATH, and Pillow. Run it when a report looks different; a report that the
project does not have keeps its picture.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

WIDTH = 1000
COLOURS = 64
PICTURES = Path(__file__).parent / "pictures"
HEIGHTS = {"report": 1745, "observation": 2155, "change": 1800}
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
    "--headless",
    "--hide-scrollbars",
    "--no-first-run",
    "--no-sandbox",
)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("name one project: nox -s pictures -- ../my-poc")
    reports = [Path(sys.argv[1], "reports", f"{name}.html").resolve() for name in HEIGHTS]
    if not any(report.exists() for report in reports):
        sys.exit(f"there is no {reports[0]}: run the project's loop first")
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.exit("chromium was not found on the PATH")
    PICTURES.mkdir(exist_ok=True)
    for report in filter(Path.exists, reports):
        picture = PICTURES / f"{report.stem}.png"
        take(browser, report, picture)
        sys.stdout.write(f"{picture}: {picture.stat().st_size / 1024:.0f} KiB\n")


def take(browser: str, report: Path, picture: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder, "shot.png")
        size = f"--window-size={WIDTH},{HEIGHTS[report.stem]}"
        options = [*QUIET, size, f"--user-data-dir={folder}/profile", f"--screenshot={shot}"]
        subprocess.run([browser, *options, report.as_uri()], check=True, capture_output=True)
        with Image.open(shot) as image:
            image.convert("RGB").quantize(COLOURS).save(picture, optimize=True)


if __name__ == "__main__":
    main()
