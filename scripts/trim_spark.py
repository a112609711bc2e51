#!/usr/bin/env python3
"""Keep of an installed PySpark what a stage's container runs. Called by the stage's Dockerfile.

Deletes the jars of Hive, of Spark Connect's server and of other machines, and unpacks what is in
machine code to where Java looks for it: Spark would unpack it to /tmp, of which a stage's container
runs nothing.
"""

from __future__ import annotations

import platform
import shutil
import zipfile
from pathlib import Path

(SPARK,) = Path("/opt/venv").glob("lib/python3*/site-packages/pyspark")
JAVA_LIBRARIES = Path("/usr/lib/jni")
# Globs below jars/. Of Hive, hive-storage-api stays: the reader of ORC files is made of it.
UNUSED = (
    *("hive-[!s]*", "hive-s[!t]*", "spark-hive*", "datanucleus*", "derby*", "jdo-*"),
    "spark-connect_*",
    # The states of streams, and the store of the history server.
    *("rocksdbjni*", "leveldbjni*"),
    *("netty-*-osx-*", "netty-*-windows-*"),
)
MACHINE = {"x86_64": ("amd64", "x86_64"), "aarch64": ("aarch64", "aarch64")}


def unpack(jar: str, member: str) -> None:
    """Copy the one file of a jar whose path starts with ``member``."""
    (path,) = SPARK.glob(f"jars/{jar}")
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.startswith(member))
        JAVA_LIBRARIES.mkdir(exist_ok=True)
        with archive.open(name) as source, (JAVA_LIBRARIES / Path(name).name).open("wb") as target:
            shutil.copyfileobj(source, target)


def main() -> None:
    for pattern in UNUSED:
        for path in SPARK.glob(f"jars/{pattern}"):
            path.unlink()
    for folder in ("examples", "sbin"):
        shutil.rmtree(SPARK / folder)
    zstd, snappy = MACHINE[platform.machine()]
    unpack("zstd-jni-*.jar", f"linux/{zstd}/libzstd-jni")
    unpack("snappy-java-*.jar", f"org/xerial/snappy/native/Linux/{snappy}/libsnappyjava.so")


if __name__ == "__main__":
    main()
