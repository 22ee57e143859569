"""Images in the place of those that a registry would have, made from Debian's packages.

Their names are only tags, so a build that begins FROM one of them finds it and pulls nothing. An
image is made once, and again when its recipe here has changed. Sizes are not those of the real
images.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from support.containers import STATE, World

SUITE, PYTHON = "trixie", "3.13"
BASE, TOOLS = "localhost/python", "localhost/monitoring"
PACKAGES = "ca-certificates,media-types,python3-minimal,python3-pip-whl,python3-venv"
MMDEBSTRAP = (
    *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={PACKAGES}"),
    *("--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/man/*"),
    *("--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*"),
)
PYTHON_RECIPE = """\
FROM {debian}
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
RUN rm -f /usr/lib/python3*/EXTERNALLY-MANAGED \\
    && ln -s /usr/bin/python3 /usr/local/bin/python3 \\
    && ln -s /usr/bin/python3 /usr/local/bin/python
CMD ["python3"]
"""
# The wheel of uv holds the same program as its image.
UV_RECIPE = """\
FROM {python} AS wheel
RUN --mount=type=secret,id=ca_bundle,target=/etc/ssl/certs/ca-certificates.crt,required=false \\
    --mount=type=secret,id=pip_conf,target=/etc/pip.conf,required=false \\
    python3 -m venv /uv && /uv/bin/pip install --quiet uv=={version}
FROM scratch
COPY --from=wheel /uv/bin/uv /uv/bin/uvx /
ENTRYPOINT ["/uv"]
"""
MONITORING_RECIPE = """\
FROM {python}
RUN apt-get update -qq \\
    && apt-get install -qq --yes --no-install-recommends prometheus prometheus-alertmanager wget
COPY placeholder /usr/local/bin/placeholder
RUN ln -s prometheus-alertmanager /usr/bin/alertmanager \\
    && ln -s placeholder /usr/local/bin/mlflow
"""
# Neither is to be had as a package: all that they do is to hold a place and be healthy.
PLACEHOLDER = """\
#!/usr/bin/python3
import http.server
import os
import pathlib
import sys

for name, value in os.environ.items():
    if name.endswith("__FILE"):
        assert pathlib.Path(value).read_text(), name


class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()


port = 5000 if sys.argv[0].endswith("mlflow") else 3000
http.server.ThreadingHTTPServer(("0.0.0.0", port), Healthy).serve_forever()
"""


def python(world: World, name: str) -> None:
    """Give this name, and BASE, to an image with Debian's Python, laid out like the official."""
    debian = f"localhost/debian:{_digest(SUITE, *MMDEBSTRAP)}"
    if not world.has(debian):
        with tempfile.TemporaryDirectory(dir=STATE / "tmp") as folder:
            tar = Path(folder) / "debian.tar"
            world.run(*MMDEBSTRAP, SUITE, tar, f"deb {_mirror()} {SUITE} main")
            world.run("podman", "import", "--quiet", tar, debian)
    _make(world, PYTHON_RECIPE.format(debian=debian), (BASE, name))


def uv(world: World, name: str) -> None:
    """Give this name, which ends in a version, to an image with that version of uv."""
    recipe = UV_RECIPE.format(python=BASE, version=name.rpartition(":")[2])
    _make(world, recipe, (name,))


def monitoring(world: World, images: dict[str, str]) -> None:
    """Prometheus, Alertmanager, and the placeholders, by the name of their service."""
    _make(world, MONITORING_RECIPE.format(python=BASE), (TOOLS,), placeholder=PLACEHOLDER)
    programs = {"grafana": "/usr/local/bin/placeholder"}
    programs |= {name: f"/bin/{name}" for name in ("prometheus", "alertmanager")}
    for service, image in images.items():
        start = f'ENTRYPOINT ["{programs[service]}"]' if service in programs else ""
        _make(world, f"FROM {TOOLS}\n{start}\n", (image,))


def authorities() -> Path:
    """The certificates that this machine trusts."""
    return Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))


def index_url() -> str:
    """The package index of this machine; empty when it is the public one."""
    url = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL", "")
    if not url and shutil.which("pip"):
        asked = ["pip", "config", "get", "global.index-url"]
        url = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return url


def _make(world: World, recipe: str, names: tuple[str, ...], **files: str) -> None:
    """Build this Dockerfile, unless it has been, and name the image."""
    made = f"localhost/made:{_digest(recipe, *files.values())}"
    if not world.has(made):
        with tempfile.TemporaryDirectory(dir=STATE / "tmp") as folder:
            for name, text in files.items():
                (Path(folder) / name).write_text(text)
                (Path(folder) / name).chmod(0o755)
            (Path(folder) / "Dockerfile").write_text(recipe)
            url = index_url()
            settings = Path(folder) / "pip.conf"
            settings.write_text("[global]\n" + (f"index-url = {url}\n" if url else ""))
            world.run(
                *("buildah", "bud", "--network=host", "--format=docker", "--pull-never"),
                *(f"--secret=id=pip_conf,src={settings}", f"--tag={made}"),
                *(f"--secret=id=ca_bundle,src={authorities()}", folder),
            )
    for name in names:
        world.run("podman", "tag", made, name)


def _mirror() -> str:
    """Where this machine gets Debian's packages."""
    form = "--format=$(REPO_URI)"
    found = subprocess.check_output(
        ["apt-get", "indextargets", form, "Created-By: Packages", "Component: main"], text=True
    )
    return next(line for line in found.split() if line.rstrip("/").endswith("/debian"))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
