#!/usr/bin/env python3
"""Install what the monitor's pages load in a browser: locked files of npm packages, without npm.

    install_assets.py FOLDER TARGET

FOLDER holds ``package.json``, whose ``assets`` name the files that are taken of each package, and
``package-lock.json``, which gives each package its version and sha512. They are written to
``TARGET/<package>/<file>``, styles and scripts also compressed, as ``<file>.gz`` beside it. A
package is hashed before it is opened, none of its programs runs, and nothing that it depends on is
fetched. TARGET is replaced as a whole or stays as it was; a second call leaves it alone.

The registry is the one that ``NPM_CONFIG_REGISTRY`` or a build's secret ``npm`` names, else npm's.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import io
import json
import os
import re
import ssl
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

SECRETS = Path("/run/secrets")
REGISTRY = "https://registry.npmjs.org"
STAMP = ".installed"
COMPRESSED = {".css", ".js"}

TIMEOUT_SECONDS = 60
# Between the tries of one download, while the network or the registry is in trouble.
PAUSES_SECONDS = (1.0, 3.0, 9.0)
BUSY = {408, 425, 429, 500, 502, 503, 504}

# The last line of a script or a style may name a map for debuggers, which is not installed.
SOURCE_MAP = re.compile(
    rb"\s*(//[#@] ?sourceMappingURL=\S*|/\*[#@] ?sourceMappingURL=[^*]*\*/)\s*\Z"
)


class InstallError(Exception):
    """Why nothing was installed: the program's exit code and a sentence with what to do."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True)
class Package:
    """One package of the lock, and the paths in it of the files that are taken."""

    name: str
    version: str
    integrity: str
    files: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def read_packages(folder: Path) -> list[Package]:
    """Return the packages whose files are wanted. Raises InstallError where the lock lacks one."""
    try:
        wanted = json.loads((folder / "package.json").read_text(encoding="utf-8"))
        lock = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    except (OSError, ValueError, KeyError) as error:
        raise InstallError(66, f"{folder} holds no lock that can be read ({error})") from None
    if lock[""].get("dependencies") != wanted["dependencies"]:
        raise InstallError(65, "package-lock.json is not that of package.json: run 'make lock'")
    packages = []
    for name, files in wanted["assets"].items():
        entry = lock.get(f"node_modules/{name}", {})
        if not entry.get("integrity", "").startswith("sha512-"):
            raise InstallError(65, f"package-lock.json has no sha512 of {name}: run 'make lock'")
        packages.append(Package(name, entry["version"], entry["integrity"], tuple(files)))
    return packages


def find_registry() -> str:
    """Return the registry's address, without a slash at its end."""
    secret = SECRETS / "npm"
    address = secret.read_text(encoding="utf-8") if secret.exists() else ""
    for name in ("NPM_CONFIG_REGISTRY", "npm_config_registry"):
        address = address.strip() or os.environ.get(name, "")
    return (address.strip() or REGISTRY).rstrip("/")


def make_request(registry: str, package: Package) -> urllib.request.Request:
    """Return the request for a package; a password in the registry's address becomes a header."""
    parts = urllib.parse.urlsplit(registry)
    account, _, host = parts.netloc.rpartition("@")
    if parts.scheme not in {"http", "https"} or not host:
        raise InstallError(69, "NPM_CONFIG_REGISTRY is no address that starts with https://")
    archive = f"{package.name.rpartition('/')[2]}-{package.version}.tgz"
    path = f"{parts.path}/{package.name}/-/{archive}"
    url = urllib.parse.urlunsplit((parts.scheme, host, path, "", ""))
    request = urllib.request.Request(url, headers={"User-Agent": "ad-click-pipeline"})
    if account:
        word = base64.b64encode(urllib.parse.unquote(account).encode()).decode()
        # A registry may lead on to another host, which is not meant to see it.
        request.add_unredirected_header("Authorization", f"Basic {word}")
    return request


def tls_context() -> ssl.SSLContext:
    """Return the settings of TLS, with the host's authorities where a build was given them."""
    ca = SECRETS / "ca"
    own = ca.exists() and ca.stat().st_size > 0
    return ssl.create_default_context(cafile=str(ca) if own else None)


def may_pass(error: Exception) -> bool:
    """Whether a download that failed may succeed a little later."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return error.code in BUSY
    return not isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError)


def explain(error: Exception, registry: str) -> str:
    """Return why a download failed for good, and what to do."""
    host = urllib.parse.urlsplit(registry).netloc.rpartition("@")[2]
    reason = getattr(error, "reason", None) or error
    if isinstance(error, urllib.error.HTTPError):
        return (
            f"{host} answers HTTP {error.code}: set NPM_CONFIG_REGISTRY to a registry that has it"
        )
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {host} is not known here: "
            "set SSL_CERT_FILE to the bundle that holds its authority"
        )
    return (
        f"{host} cannot be reached ({getattr(reason, 'strerror', None) or reason}): "
        "set https_proxy, or NPM_CONFIG_REGISTRY to a registry that can"
    )


def download(registry: str, package: Package) -> bytes:
    """Return a package's archive, unchecked; tries again while the network is in trouble."""
    context = tls_context()
    for pause in (*PAUSES_SECONDS, None):
        try:
            # A request of its own for each try: a proxy changes it.
            with urllib.request.urlopen(
                make_request(registry, package), timeout=TIMEOUT_SECONDS, context=context
            ) as response:
                return bytes(response.read())
        except (OSError, http.client.HTTPException) as error:
            if pause is None or not may_pass(error):
                sentence = f"{package} cannot be fetched, as {explain(error, registry)}"
                raise InstallError(69, sentence) from None
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def check(package: Package, archive: bytes) -> None:
    """Raise InstallError unless an archive is the one that was locked."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found not in package.integrity.split():
        raise InstallError(
            65,
            f"what came as {package} is not what was locked (its sha512 differs): try again, "
            "and if it stays so use another registry or ask who runs this one",
        )


def unpack(package: Package, archive: bytes) -> dict[str, bytes]:
    """Return the wanted files of a package by their names without a folder.

    Only regular files count, and no path of the archive is ever used to write.
    """
    wanted: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            for member in tar:
                path = member.name.partition("/")[2]  # npm packs all below one folder
                file = tar.extractfile(member) if member.isreg() else None
                if file and path in package.files:
                    wanted[path] = file.read()
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise InstallError(65, f"{package} is no archive that can be read ({error})") from None
    for path in package.files:
        if path not in wanted:
            raise InstallError(
                65, f"{package} has no file {path}: correct `assets` in package.json"
            )
    return {path.rpartition("/")[2]: content for path, content in wanted.items()}


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write a package's files and their compressed copies, readable by every user."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        if (folder / name).suffix in COMPRESSED:
            content = SOURCE_MAP.sub(b"\n", content)
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
        (folder / name).write_bytes(content)


def stamp_of(folder: Path) -> str:
    """Return what an installation depends on, as a sha256."""
    inputs = (folder / "package.json", folder / "package-lock.json", Path(__file__))
    return hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()


def is_current(target: Path, stamp: str, packages: list[Package]) -> bool:
    """Whether the target was made from the same lock and no file of it is missing."""
    files = (target / p.name / path.rpartition("/")[2] for p in packages for path in p.files)
    marked = target / STAMP
    return marked.is_file() and marked.read_text() == stamp and all(f.is_file() for f in files)


def replace(target: Path, new: Path) -> None:
    """Put a finished folder in the target's place; a target that was there goes into ``new``."""
    for path in (new, *new.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    old = new.with_name("old")
    if target.exists():
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise


def install(folder: Path, target: Path) -> int:
    """Make the target what the lock says; return the number of packages that were fetched."""
    packages = read_packages(folder)
    stamp = stamp_of(folder)
    if is_current(target, stamp, packages):
        return 0
    registry = find_registry()
    contents = {}
    for package in packages:
        archive = download(registry, package)
        check(package, archive)
        contents[package.name] = unpack(package, archive)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # In the same folder, so that a rename is all that is left to do.
        with tempfile.TemporaryDirectory(prefix=f"{target.name}-", dir=target.parent) as scratch:
            new = Path(scratch, "new")
            for name, files in contents.items():
                write(new / name, files)
            (new / STAMP).write_text(stamp)
            replace(target, new)
    except OSError as error:
        raise InstallError(73, f"{target} cannot be written ({error})") from None
    return len(packages)


def main(arguments: list[str]) -> int:
    """Install and return the exit code."""
    if len(arguments) != 2:
        print("error: usage: install_assets.py FOLDER TARGET", file=sys.stderr)
        return 2
    try:
        count = install(Path(arguments[0]), Path(arguments[1]))
    except InstallError as error:
        print(f"error: the browser assets are not installed: {error}", file=sys.stderr)
        return error.code
    if count:
        print(f"assets: {count} packages installed into {arguments[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
