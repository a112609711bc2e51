#!/usr/bin/env python3
"""Install a lock into an image's virtual environment and keep only what runs.

Called by the Dockerfiles, with the base image's own Python:

    install_packages.py --tools     installs uv beside this file, in a stage that no image keeps
    install_packages.py LOCK        installs LOCK into /opt/venv

Packages that an earlier layer installed are left as they are, byte for byte, so that a lock that
contains another one adds only the difference. Test suites, headers and sources of compiled modules
are deleted and bytecode is compiled in the same step, so that no layer ever holds the former and
no container start pays for the latter.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
VENV = Path("/opt/venv")
SECRETS = Path("/run/secrets")

# What no installed program reads: sources and headers for compiling against a package.
SOURCE_SUFFIXES = {".a", ".c", ".cpp", ".h", ".hpp", ".lib", ".pxd", ".pxi", ".pyi", ".pyx"}
TEST_FOLDERS = {"test", "tests"}
# Parts of pyarrow that no table, CSV or Parquet file needs and that nothing else links to: Flight,
# S3, and copies of a library under the names that only compilers look for.
UNUSED = (
    "pyarrow/include",
    "pyarrow/src",
    "pyarrow/_flight.*",
    "pyarrow/_s3fs.*",
    "pyarrow/libarrow_flight.*",
    "pyarrow/libarrow_python.so",
    "pyarrow/libarrow_python_flight.*",
    "pyarrow/libarrow_s3.*",
    "pyarrow/*.so.*.*.*",
)
# Many images are built at once: few connections each, and patience with an index that is busy.
PATIENCE = {
    "UV_CONCURRENT_DOWNLOADS": "8",
    "UV_HTTP_CONNECT_TIMEOUT": "60",
    "UV_HTTP_TIMEOUT": "120",
    "UV_HTTP_RETRIES": "8",
}
# Imported by its own package at run time although it lies among the tests.
KEPT = ("numpy/_core/tests/__init__.py", "numpy/_core/tests/_natype.py")


def build_environment() -> dict[str, str]:
    """Return the environment with the host's authorities and package index, where it has them."""
    environment = dict(os.environ, UV_LINK_MODE="copy", PIP_DISABLE_PIP_VERSION_CHECK="1")
    environment |= PATIENCE
    ca = SECRETS / "ca"
    if ca.exists() and ca.stat().st_size:
        environment |= {"SSL_CERT_FILE": str(ca), "PIP_CERT": str(ca)}
    index = SECRETS / "index"
    if index.exists() and (url := index.read_text().strip()):
        environment |= {"UV_DEFAULT_INDEX": url, "PIP_INDEX_URL": url}
    return environment


def install_uv() -> None:
    """Install the locked uv into a throwaway environment beside this file."""
    subprocess.run([sys.executable, "-m", "venv", TOOLS / "venv"], check=True)
    pip = [str(TOOLS / "venv/bin/python3"), "-m", "pip", "--no-cache-dir", "install", "--quiet"]
    options = ["--require-hashes", "--only-binary=:all:", "--requirement", str(TOOLS / "uv.txt")]
    subprocess.run([*pip, *options], check=True, env=build_environment())


def make_venv() -> None:
    """Make an empty environment; compile the standard library if the base image has not."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", VENV], check=True)
    if not Path(importlib.util.cache_from_source(os.__file__)).exists():
        compile_bytecode(Path(sysconfig.get_path("stdlib")))


def install(lock: Path) -> None:
    """Install the packages of ``lock`` that the environment does not have yet."""
    if not any(line.strip() and not line.startswith("#") for line in lock.read_text().splitlines()):
        return
    uv = [str(TOOLS / "venv/bin/uv"), "pip", "install", "--quiet", "--python", str(VENV)]
    options = ["--require-hashes", "--only-binary=:all:", "--requirements", str(lock)]
    subprocess.run([*uv, *options], check=True, env=build_environment())


def never_runs(path: Path) -> bool:
    """Whether a file, relative to the installed packages, is a test or a source for compilers."""
    in_tests = not TEST_FOLDERS.isdisjoint(path.parts[:-1]) and path.as_posix() not in KEPT
    return in_tests or path.suffix in SOURCE_SUFFIXES


def trim(packages: Path) -> None:
    """Delete what is installed but never runs."""
    for path in {match for pattern in UNUSED for match in packages.glob(pattern)}:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for folder, _, files in os.walk(packages, topdown=False):
        for path in [Path(folder, name) for name in files]:
            if never_runs(path.relative_to(packages)):
                path.unlink()
        if folder != str(packages) and not os.listdir(folder):
            os.rmdir(folder)


def compile_bytecode(folder: Path) -> None:
    """Compile the modules below ``folder`` that have no bytecode yet, never to be checked again."""
    sources = [
        str(path)
        for path in sorted(folder.rglob("*.py"))
        if not Path(importlib.util.cache_from_source(str(path))).exists()
    ]
    options = ["-qq", "-j", "0", "--invalidation-mode", "unchecked-hash", "-i", "-"]
    # The exit code is not looked at: some packages hold templates that only look like Python.
    compiler = [sys.executable, "-m", "compileall", *options]
    subprocess.run(compiler, input="\n".join(sources), text=True, check=False)


def main(argument: str) -> None:
    if argument == "--tools":
        install_uv()
        return
    if not VENV.exists():
        make_venv()
    packages = next(VENV.glob("lib/python3*/site-packages"))
    install(Path(argument))
    trim(packages)
    compile_bytecode(packages)


if __name__ == "__main__":
    main(sys.argv[1])
