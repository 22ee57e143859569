"""The picture of the README: the top of a project's report, as a browser shows it.

    python docs/pictures.py ../my-poc

It needs chromium on the PATH, and Pillow. Run it when the report looks different.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

WIDTH, HEIGHT = 1000, 1745
COLOURS = 64
PICTURE = Path(__file__).parent / "pictures" / "report.png"
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
    report = Path(sys.argv[1], "reports/report.html").resolve()
    if not report.exists():
        sys.exit(f"there is no {report}: run the project's loop first")
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.exit("chromium was not found on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder, "shot.png")
        size = f"--window-size={WIDTH},{HEIGHT}"
        options = [*QUIET, size, f"--user-data-dir={folder}/profile", f"--screenshot={shot}"]
        subprocess.run([browser, *options, report.as_uri()], check=True, capture_output=True)
        with Image.open(shot) as image:
            small = image.convert("RGB").quantize(COLOURS)
            PICTURE.parent.mkdir(exist_ok=True)
            small.save(PICTURE, optimize=True)
    sys.stdout.write(f"{PICTURE}: {PICTURE.stat().st_size / 1024:.0f} KiB\n")


if __name__ == "__main__":
    main()
