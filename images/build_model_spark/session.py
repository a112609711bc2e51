"""The Spark session: one that keeps to the walls of a stage, or the application of a cluster."""

import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import SparkSession

from stage import Run

# Most bytes of a part of a file that one task reads; each part is a partition of its own.
SPLIT = 64 * 2**20
# Rows that go from Java to Python at once.
BATCH_ROWS = 2**16
# Where what is added up by key meets again; there is little of it.
SHUFFLE_PARTITIONS = 16
# What Java's heap may take of the stage's memory; the rest is Python's and Arrow's.
HEAP_SHARE = 0.4
UNITS = {"k": 2**10, "m": 2**20, "g": 2**30}


@contextmanager
def open_session(run: Run) -> Iterator[SparkSession]:
    """Give the session, whose own files are in the run's scratch folder, and end it after.

    ``SPARK_MASTER`` names the cluster; without one all is done in this container.
    """
    assert run.scratch, "Spark works while the stage works"
    folder = run.scratch / "spark"
    folder.mkdir()
    master = os.environ.get("SPARK_MASTER") or "local[*]"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(master).appName(f"ad-click {run.run_id}")
    for name, value in settings(run, master, folder).items():
        builder = builder.config(name, value)
    # Of pandas nothing is used here.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    with errors_in_log():
        session = builder.getOrCreate()
    try:
        yield session
    finally:
        session.stop()


@contextmanager
def errors_in_log() -> Iterator[None]:
    """Let Java, which is started meanwhile, write its errors where the stage's log goes."""
    kept = os.dup(2)
    os.dup2(1, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def settings(run: Run, master: str, folder: Path) -> dict[str, str]:
    """Return Spark's settings; those of a cluster's own machines are its own."""
    # What Java unpacks it also runs: /tmp is no place for that in a stage's container.
    chosen = {
        "spark.driver.memory": f"{heap(run) >> 20}m",
        "spark.driver.extraJavaOptions": f"-Djava.io.tmpdir={folder}",
        "spark.driver.maxResultSize": "0",
        "spark.executorEnv.PYTHONPATH": os.environ.get("PYTHONPATH", "/app"),
        "spark.sql.debug.maxToStringFields": "10000",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(SHUFFLE_PARTITIONS),
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH_ROWS),
        # A part costs as much to open as the largest is long, so that no two are read as one.
        "spark.sql.files.maxPartitionBytes": str(SPLIT),
        "spark.sql.files.openCostInBytes": str(SPLIT),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.sql.catalogImplementation": "in-memory",
    }
    if master.startswith("local"):
        chosen |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.local.dir": str(folder),
        }
    return chosen


def heap(run: Run) -> int:
    """Return the bytes that Java's heap may take, by the stage's own limit."""
    found = re.fullmatch(r"([0-9]+)([kmg]?)b?", run.contract.resources["memory"].lower())
    assert found, "a memory limit is a number and a unit"
    return int(HEAP_SHARE * int(found[1]) * UNITS.get(found[2], 1))
