"""The answers of an organisation reach every place that docs/how-to/organisation.md names."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import ROOT
from support.rendering import render

PAGE = (ROOT / "docs/how-to/organisation.md").read_text(encoding="utf-8")
STANDARD: dict[str, Any] = yaml.safe_load(
    re.findall(r"```yaml title=\"standard.yml\"\n(.*?)```", PAGE, re.S)[0]
)
PIPELINES = {
    "github": (".github/workflows/checks.yml", ".github/workflows/scheduled.yml"),
    "gitlab": (".gitlab-ci.yml",),
    "azure_devops": (".azuredevops/variables.yml",),
}
RUNNERS = {**PIPELINES, "azure_devops": (".azuredevops/checks.yml", ".azuredevops/release.yml")}
INDEX = ("package_index", "ca_bundle", "image_registry", "runner_label", "forge_host")


@pytest.fixture(scope="module", params=PIPELINES)
def forge(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def project(forge: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    owners = {"platform_owners": "platform@example.com"} if forge == "azure_devops" else {}
    answers = {"project_name": "My PoC", **STANDARD, **owners, "ci": forge, "team_size": "large"}
    return render(answers, tmp_path_factory.mktemp("organisation") / forge)


def text(project: Path, path: str) -> str:
    return (project / path).read_text(encoding="utf-8")


def test_packages_come_from_its_index(project: Path, forge: str) -> None:
    index = STANDARD["package_index"]
    assert f'url = "{index}"\ndefault = true' in text(project, "pyproject.toml")
    for path in PIPELINES[forge]:
        assert f"PIP_INDEX_URL: {index}" in text(project, path)


def test_its_authorities_are_trusted(project: Path, forge: str) -> None:
    bundle = STANDARD["ca_bundle"]
    assert f'"SSL_CERT_FILE", "{bundle}"' in text(project, "tools/stack.py")
    for path in PIPELINES[forge]:
        for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"):
            assert f"{name}: {bundle}" in text(project, path)


def test_no_image_comes_from_elsewhere(project: Path) -> None:
    """In what builds or runs one; the words of people may name other registries."""
    public = re.compile(r"\b(docker\.io|ghcr\.io|quay\.io|registry\.gitlab\.com)\b")
    files = [
        *project.glob("deploy/*"),
        *project.glob(".gitlab*"),
        *project.rglob(".gitlab/**/*.yml"),
    ]
    files += [*project.rglob(".github/**/*.yml"), *project.rglob(".azuredevops/**/*.yml")]
    found = {file.name for file in files if file.is_file() and public.search(file.read_text())}
    assert found == set()
    images = re.findall(r"^ +image: (\S+)", text(project, "deploy/compose.yaml"), re.M)
    foreign = [image for image in images if "/" in image]
    assert len(foreign) == 4
    assert all(image.startswith(f"{STANDARD['image_registry']}/") for image in foreign)


def test_every_job_runs_on_its_runners(project: Path, forge: str) -> None:
    label = STANDARD["runner_label"]
    for path in RUNNERS[forge]:
        content = text(project, path)
        assert label in content
        assert "ubuntu" not in content


def test_images_carry_its_tags(project: Path) -> None:
    dockerfile = text(project, "deploy/Dockerfile")
    for tag in ('cost-center="4711"', 'department="operations"'):
        assert dockerfile.count(f"LABEL {tag}\n") == 2


def test_without_an_organisation_nothing_of_it_is_there(tmp_path: Path) -> None:
    plain = {name: STANDARD[name] for name in ("team_size", "platform_owners", "ci")}
    project = render({"project_name": "My PoC", **plain}, tmp_path / "plain")
    texts = [path.read_bytes() for path in project.rglob("*") if path.is_file()]
    assert b"docker.io/library/python" in b"".join(texts)
    for name in (*INDEX, "mandatory_tags"):
        value = str(STANDARD[name]).split(",")[0].encode()
        if name != "ca_bundle":  # Debian's own path stands in the Dockerfile
            assert not [text for text in texts if value in text], name


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("package_index", "https://me:secret@packages.example.com/simple", "name and password"),
        ("package_index", "packages.example.com", "https://packages.example.com/simple"),
        ("ca_bundle", "certs/ca.pem", "whole path"),
        ("image_registry", "https://registry.example.com", "registry.example.com/mirror"),
        ("runner_label", "a\nb", "linux-ml"),
        ("forge_host", "https://git.example.com", "without https://"),
        ("forge_host", "git example com", "git.example.com"),
        ("mandatory_tags", "cost-center:4711", "cost-center=4711"),
        ("mandatory_tags", 'a=1, b="; rm', 'b="; rm'),
    ],
)
def test_what_would_be_read_otherwise_is_refused(
    name: str, wrong: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        render({"organisation": True, name: wrong}, tmp_path / "project")
