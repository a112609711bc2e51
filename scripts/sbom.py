"""make sbom: writes what each image is made of to .build/sbom/<image>.json, as CycloneDX.

Asked inside the image, without a network and as its own user: the Python packages by their own
metadata, Debian's by dpkg's. To them come the npm packages whose files the monitor's image holds,
from their lock. The same image gives the same bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".build" / "sbom"
VERSION = SchemaVersion.V1_6
# The namespace of the serial numbers, which are made of the images' ids.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "ad-click-pipeline")
# Prints what is installed. The interpreter is a package of Debian's only where Debian built it.
INSIDE = """
import importlib.metadata, json, platform, subprocess
python = [
    {
        "name": found.metadata["Name"], "version": found.version,
        "license": found.metadata.get("License-Expression") or found.metadata.get("License"),
        "summary": found.metadata.get("Summary"), "requires": found.requires or [],
    }
    for found in importlib.metadata.distributions()
]
form = "${binary:Package}\\t${Version}\\t${Architecture}\\t${db:Status-Abbrev}\\n"
debian = subprocess.run(
    ["dpkg-query", "--show", "--showformat", form], check=True, capture_output=True, text=True
).stdout
release = platform.freedesktop_os_release()
system = f'{release["ID"]}-{release["VERSION_ID"]}'
print(json.dumps({
    "python": python, "debian": debian, "system": system, "interpreter": platform.python_version(),
}))
"""

# `make images` leaves it out.
OPTIONAL = frozenset({"localhost/ad-click/build_model_spark"})


def docker(*arguments: str) -> str:
    """Return what a docker command prints; the program ends with its error."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"error: {done.stderr.strip()}")
    return done.stdout


def images(tag: str) -> list[str]:
    """Return the names of the project's images, without their tag; Spark's only if it was built."""
    command = ["docker", "buildx", "bake", "--file", "docker-bake.hcl", "--print"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    tags = [target["tags"][0] for target in json.loads(done.stdout)["target"].values()]
    built = docker("image", "ls", "--format={{.Repository}}", f"localhost/ad-click/*:{tag}").split()
    return sorted({*(tag.rpartition(":")[0] for tag in tags), *OPTIONAL.intersection(built)})


def contents(image: str) -> dict[str, Any]:
    """Return what is installed in an image, and what the engine knows of it."""
    walls = ("--network=none", "--read-only", "--cap-drop=ALL")
    found = docker("run", "--rm", *walls, "--entrypoint=python3", image, "-c", INSIDE)
    (known,) = json.loads(docker("image", "inspect", image))
    content: dict[str, Any] = json.loads(found) | {"image": image, "known": known}
    return content


def bill(content: dict[str, Any], npm: Iterable[Component] = ()) -> Bom:
    """Return the bill of an image: its parts, and which Python package needs which."""
    known = content["known"]
    labels = known["Config"]["Labels"] or {}
    name, _, tag = content["image"].rpartition(":")
    root = Component(
        type=ComponentType.CONTAINER,
        name=name,
        version=labels.get("org.opencontainers.image.version", tag),
        bom_ref=content["image"],
        properties=[Property(name="ad-click:image-id", value=known["Id"])],
    )
    python = {canonicalize_name(entry["name"]): entry for entry in content["python"]}
    packages = {name: python_component(entry) for name, entry in python.items()}
    bom = Bom(serial_number=uuid.uuid5(NAMESPACE, known["Id"]))
    bom.metadata.timestamp = datetime.fromisoformat(known["Created"][:19] + "+00:00")
    bom.metadata.component = root
    others = [interpreter(content["interpreter"]), *debian_components(content), *npm]
    for component in (*packages.values(), *others):
        bom.components.add(component)
    for name, entry in python.items():
        bom.register_dependency(packages[name], needs(entry, packages))
    bom.register_dependency(root, bom.components)
    return bom


def component(purl: PackageURL, license_text: str | None = None, **known: Any) -> Component:
    """Return a part of an image, known by its package URL."""
    # A licence that stands there in full is no name of one.
    short = license_text if license_text and "\n" not in license_text else None
    return Component(
        type=ComponentType.LIBRARY,
        name=purl.name,
        version=purl.version,
        purl=purl,
        bom_ref=str(purl),
        licenses=[LicenseFactory().make_from_string(short)] if short else [],
        **known,
    )


def python_component(entry: dict[str, Any]) -> Component:
    """Return a Python package."""
    purl = PackageURL("pypi", name=canonicalize_name(entry["name"]), version=entry["version"])
    return component(purl, entry["license"], description=entry["summary"])


def needs(entry: dict[str, Any], packages: dict[Any, Component]) -> list[Component]:
    """Return the packages of an image that another one of it asks for."""
    names = {canonicalize_name(Requirement(text).name) for text in entry["requires"]}
    return [packages[name] for name in sorted(names & packages.keys())]


def interpreter(version: str) -> Component:
    """Return the Python that runs the image's programs."""
    return component(PackageURL("generic", name="python", version=version), "Python-2.0")


def debian_components(content: dict[str, Any]) -> list[Component]:
    """Return Debian's packages that are installed."""
    found = []
    for line in content["debian"].splitlines():
        name, version, architecture, status = line.split("\t")
        if status.startswith("ii"):
            qualifiers = {"arch": architecture, "distro": content["system"]}
            name = name.partition(":")[0]
            found.append(component(PackageURL("deb", "debian", name, version, qualifiers)))
    return found


def npm_components() -> list[Component]:
    """Return the npm packages whose files the monitor's pages load."""
    monitor = ROOT / "images" / "monitor"
    locked = json.loads((monitor / "package-lock.json").read_text())["packages"]
    found = []
    for full in json.loads((monitor / "package.json").read_text())["dependencies"]:
        entry = locked[f"node_modules/{full}"]
        scope, _, name = full.rpartition("/")
        purl = PackageURL("npm", scope or None, name, entry["version"])
        found.append(component(purl, entry.get("license")))
    return found


def write(image: str) -> Path:
    """Write the bill of an image and return its path."""
    name = image.rpartition(":")[0].rpartition("/")[2]
    npm = npm_components() if name == "monitor" else []
    text = make_outputter(bill(contents(image), npm), OutputFormat.JSON, VERSION).output_as_string(
        indent=2
    )
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.write_text(text + "\n")
    return path


def main(words: Sequence[str]) -> None:
    """Write the bills of the images named, of all without a name."""
    tag = os.environ.get("IMAGE_TAG", "latest")
    for image in [f"localhost/ad-click/{word}" for word in words] or images(tag):
        path = write(f"{image}:{tag}")
        parts = len(json.loads(path.read_text())["components"])
        print(f"{path.relative_to(ROOT)}: {parts} packages", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
