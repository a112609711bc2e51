"""Read the data file and let in only rows that the data contract allows.

A file is taken whole or refused whole: no cell is guessed, no row is left out in silence.
"""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from load_data.check import Violations, check_classes, to_table
from load_data.read import read_cells
from stage import Run, StageError, data_refused, run_script


def run(run: Run) -> dict[str, Any]:
    """Write ``table.parquet``, one row for each row of the file, and ``validation.json``.

    A file that breaks the contract is refused (65); ``validation.json`` then lists the violations.
    """
    opened = run.read_json("run.json")
    check_parameters(run, opened)
    name = opened["source"]["path"]
    source = run.add_input(name)
    if run.inputs[name]["sha256"] != opened["source"]["sha256"]:
        raise data_refused(f"{name} has changed since the run started; start a new run")

    violations = Violations(name)
    try:
        run.metrics = read_and_check(run, source, opened["contract"], violations)
    finally:
        run.write_json("validation.json", violations.report(run.metrics))
    return run.metrics


def read_and_check(run: Run, source: Any, contract: dict[str, Any], violations: Violations) -> Any:
    """Return the metrics after writing the table, or raise the refusal."""
    cells = read_cells(source, contract, violations)
    run.progress(0.5, f"checking {len(cells.lines)} rows")
    table: pa.Table = to_table(cells, contract["columns"], violations)
    check_classes(table, contract["columns"], violations)
    pq.write_table(table, run.output("table.parquet"), compression="zstd")
    return {
        "rows": table.num_rows,
        "rows_dropped": 0,
        "columns": table.num_columns,
        "unknown_columns": cells.unknown_columns,
    }


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
