"""Keep the columns that the model sees: the features, then the target."""

from typing import Any

import pyarrow.parquet as pq

from stage import Run, data_refused, run_script


def run(run: Run) -> dict[str, Any]:
    """Write ``features.parquet``: the rows of ``table.parquet``, unused columns gone."""
    source = run.input("table.parquet")
    columns = run.columns("table.parquet")
    available = pq.read_schema(source).names
    if missing := [column for column in columns if column not in available]:
        raise data_refused(f"{run.relative(source)} has no column {missing[0]!r}")

    features = pq.read_table(source, columns=columns)
    pq.write_table(features, run.output("features.parquet"), compression="zstd")

    dropped = [column for column in available if column not in columns]
    return {"rows": features.num_rows, "features": len(columns) - 1, "dropped_columns": dropped}


if __name__ == "__main__":
    run_script(__file__)
