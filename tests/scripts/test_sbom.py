"""`make sbom` on the built images: valid, whole, and of the locks' versions."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".build" / "sbom"
LOCKS = {
    path.parent.name: path
    for path in [*ROOT.glob("images/*/requirements.txt"), ROOT / "orchestration/requirements.txt"]
}
LOCKS["airflow"] = LOCKS.pop("orchestration")
IMAGES = sorted({*LOCKS, *(p.parent.name for p in ROOT.glob("images/*/Dockerfile"))})

pytestmark = pytest.mark.image


def write_all() -> dict[str, str]:
    """Run the command; return what it wrote, by image."""
    command = [ROOT / "scripts/sbom.sh"]
    environment = {**os.environ, "ENV_FILE": os.environ.get("ENV_FILE", ".test/.env")}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return {path.stem: path.read_text() for path in FOLDER.glob("*.json")}


@pytest.fixture(scope="module")
def bills(settings: dict[str, str]) -> dict[str, str]:
    for path in FOLDER.glob("*.json"):
        path.unlink()
    return write_all()


def packages(bill: str, kind: str) -> dict[str, str]:
    """Return the packages of a kind, such as pypi, by name with their version."""
    found: list[dict[str, Any]] = json.loads(bill)["components"]
    return {p["name"]: p["version"] for p in found if p["purl"].startswith(f"pkg:{kind}/")}


def locked(lock: Path) -> dict[str, str]:
    """Return what a lock has this platform install."""
    from packaging.requirements import Requirement

    lines = re.findall(r"^([\w.-]+(?:\[[^]]*\])?==[^\\\n]+)", lock.read_text(), re.MULTILINE)
    here = [r for r in map(Requirement, lines) if r.marker is None or r.marker.evaluate(LINUX)]
    return {r.name: str(r.specifier).removeprefix("==") for r in here}


LINUX = {
    "sys_platform": "linux",
    "python_version": "3.13",
    "python_full_version": "3.13.5",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
}


def test_there_is_a_bill_for_every_image_of_the_project(bills):
    assert sorted(bills) == sorted([*IMAGES, "docker-proxy", "redis"])


@pytest.mark.parametrize("image", [*IMAGES, "docker-proxy", "redis"])
def test_bill_is_valid_by_the_schema_of_cyclonedx(bills, image):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bills[image]) is None


@pytest.mark.parametrize("image", sorted(LOCKS))
def test_bill_names_the_packages_of_the_lock_and_no_others(bills, image):
    assert packages(bills[image], "pypi") == locked(LOCKS[image])


def test_bill_of_build_model_names_scikit_learn_with_its_needs(bills):
    bill = json.loads(bills["build_model"])
    version = locked(ROOT / "requirements.txt")["scikit-learn"]
    purl = f"pkg:pypi/scikit-learn@{version}"
    (found,) = [c for c in bill["components"] if c["purl"] == purl]
    assert found["licenses"] == [{"license": {"id": "BSD-3-Clause"}}]
    (needs,) = [d["dependsOn"] for d in bill["dependencies"] if d["ref"] == purl]
    assert any(need.startswith("pkg:pypi/numpy@") for need in needs)


@pytest.mark.parametrize("image", [*IMAGES, "docker-proxy", "redis"])
def test_bill_names_debians_packages_and_the_interpreter(bills, image):
    assert {"libc6", "openssl"} & set(packages(bills[image], "deb"))
    assert re.fullmatch(r"3\.\d+\.\d+", packages(bills[image], "generic")["python"])


def test_bill_of_the_proxy_names_haproxy_and_no_python_package(bills):
    assert "haproxy" in packages(bills["docker-proxy"], "deb")
    assert packages(bills["docker-proxy"], "pypi") == {}


def test_bill_of_the_monitor_names_what_its_pages_load(bills):
    wanted = json.loads((ROOT / "images/monitor/package.json").read_text())["dependencies"]
    assert packages(bills["monitor"], "npm") == wanted
    assert packages(bills["build_model"], "npm") == {}


def test_bill_says_of_which_image_it_is(bills, settings):
    image = f"localhost/ad-click/build_model:{settings['IMAGE_TAG']}"
    command = ["docker", "image", "inspect", "--format", "{{.Id}}", image]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    about = json.loads(bills["build_model"])["metadata"]["component"]
    assert (about["type"], about["name"]) == ("container", "localhost/ad-click/build_model")
    assert about["properties"] == [{"name": "ad-click:image-id", "value": done.stdout.strip()}]


def test_same_image_gives_the_same_bill(bills):
    command = [sys.executable, ROOT / "scripts/sbom.py", "build_model"]
    tag = re.search(r"build_model:([\w.-]+)", bills["build_model"]).group(1)
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "IMAGE_TAG": tag})
    assert (FOLDER / "build_model.json").read_text() == bills["build_model"]


def test_images_that_are_not_built_are_an_error_in_words(settings):
    done = subprocess.run(
        [ROOT / "scripts/sbom.sh"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "IMAGE_TAG": "no-such-tag"},
    )
    assert done.returncode == 69
    assert "run 'make images'" in done.stderr
