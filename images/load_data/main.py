"""Read the data file and let in only rows that the data contract allows.

A file is taken or refused: no cell is guessed, and each row that is left out is counted with the
reason that the contract gives.
"""

import time
from typing import Any

from load_data.check import Checker
from load_data.column import columns_of
from load_data.reader import open_reader
from load_data.source import Source, UnreadableError
from load_data.table import Table
from load_data.violations import Violations
from stage import Run, StageError, data_refused, run_script

SAY_EVERY = 1.5  # seconds


def run(run: Run) -> dict[str, Any]:
    """Write ``table.parquet``, one row for each row that is kept, and ``validation.json``.

    A file that breaks the contract is refused (65); ``validation.json`` then lists the violations.
    """
    opened = run.read_json("run.json")
    check_parameters(run, opened)
    name = opened["source"]["path"]
    path = run.add_input(name)
    if run.inputs[name]["sha256"] != opened["source"]["sha256"]:
        raise data_refused(f"{name} has changed since the run started; start a new run")

    violations = Violations(name)
    found: dict[str, Any] = {}
    try:
        with Source(path, name) as source:
            return read_and_check(run, source, opened["contract"], violations, found)
    except UnreadableError as error:
        violations.refuse(None, None, None, error.rule)
    finally:
        run.write_json("validation.json", violations.report(found))


def read_and_check(
    run: Run,
    source: Source,
    contract: dict[str, Any],
    violations: Violations,
    found: dict[str, Any],
) -> dict[str, Any]:
    """Return the metrics after writing the table, or raise the refusal; ``found`` has them too."""
    columns = columns_of(contract)
    checker = Checker(columns, violations)
    reader = open_reader(source, contract, checker)
    found["unknown_columns"] = reader.unknown_columns
    table = Table(run.output("table.parquet"), columns, contract, violations)
    try:
        said = time.monotonic()
        for batch in reader.batches():
            table.add(batch)
            if time.monotonic() > said + SAY_EVERY:
                said = time.monotonic()
                run.progress(source.position(), f"{table.rows_read} rows read")
        if violations:
            raise violations.refusal()
        table.finish()
    finally:
        table.close()
        found |= table.metrics()
    found["warnings"] = reader.warnings()
    return found


def check_parameters(run: Run, opened: dict[str, Any]) -> None:
    """Refuse (2) a dataset or source that is not the one that the run was started on."""
    for name, value in run.parameters.items():
        if value and value != run.contract.parameters[name]["default"]:
            started_on = opened["source"]["path"] if name == "source" else opened[name]
            asked = run.relative(run.path(value)) if name == "source" else value
            if asked != started_on:
                raise StageError(
                    2,
                    f"run {run.run_id} was started on {name} {started_on}, not {value}; "
                    "start another run for it",
                )


if __name__ == "__main__":
    run_script(__file__)
