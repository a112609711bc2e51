"""Two to five runs side by side: what differs, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, render_template, request

from .charts import comparison_chart
from .conditional import answer
from .current import check_volume, current_index, find_run
from .reading.evaluation import SCORES
from .reading.run import Run
from .reading.volume import NotFoundError

MOST = 5
# For these less is better.
LOSSES = ("log_loss", "brier_score")

blueprint = Blueprint("compare", __name__)
blueprint.before_request(check_volume)


@dataclass(frozen=True)
class Line:
    """One thing that is compared: its value in each run, None where a run has none.

    ``best`` are the places of the best values, empty where no value is better than another.
    """

    name: str
    values: list[Any]
    best: tuple[int, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether the runs differ in it."""
        return any(value != self.values[0] for value in self.values[1:])


@dataclass(frozen=True)
class Comparison:
    """Everything that is compared, by kind; ``figures`` has a path, or None, for each run."""

    runs: list[Run]
    data: list[Line]
    parameters: list[Line]
    scores: list[Line]
    seconds: list[Line]
    versions: list[Line]
    figures: list[Line]


@blueprint.get("/compare")
def compare() -> Response:
    """Show the runs that the address names, or a form to choose some."""
    chosen, missing = chosen_runs()
    index = current_index()
    if len(chosen) < 2:
        return answer(
            lambda: render_template(
                "compare/choose.html", chosen=chosen, missing=missing, most=MOST
            ),
            index.generation,
        )
    runs = [run for run, _ in chosen]
    return answer(
        lambda: render_template(
            "compare/compare.html",
            comparison=compare_runs(runs),
            chart=comparison_chart(runs),
            missing=missing,
            asked=[run.run_id for run in runs],
        ),
        *(version for _, version in chosen),
        tuple(missing),
    )


def chosen_runs() -> tuple[list[tuple[Run, str]], list[str]]:
    """Return the runs that the address names, each once, and the names that are no runs."""
    # A field of the form that was left empty names none.
    asked = filter(None, request.args.getlist("run"))
    names = list(dict.fromkeys(name.replace(" ", "+") for name in asked))
    found, missing = [], []
    for name in names[:MOST]:
        try:
            found.append(find_run(name))
        except NotFoundError:
            missing.append(name)
    return found, missing


def compare_runs(runs: list[Run]) -> Comparison:
    """Return the comparison of runs, line by line in the pipeline's own order."""
    return Comparison(
        runs=runs,
        data=[
            Line("dataset", [run.dataset for run in runs]),
            Line("file", [run.source.text("path") for run in runs]),
            Line("sha256", [run.source.text("sha256") for run in runs]),
            Line("rows", [run.check.rows if run.check else None for run in runs]),
        ],
        parameters=lines([run.parameters for run in runs]),
        scores=[score_line(name, runs) for name in SCORES],
        seconds=lines(
            [{s.name: s.seconds for s in run.stages if s.seconds is not None} for run in runs]
        ),
        versions=lines([run.versions for run in runs]),
        figures=lines([{path.rpartition("/")[2]: path for path in run.figures} for run in runs]),
    )


def lines(columns: list[dict[str, Any]]) -> list[Line]:
    """Return a line for each name that any of the columns has, in the order of their coming."""
    names = dict.fromkeys(name for column in columns for name in column)
    return [Line(name, [column.get(name) for column in columns]) for name in names]


def score_line(name: str, runs: list[Run]) -> Line:
    """Return the line of a score, with the places of the best values where they differ."""
    values = [run.metrics.number(name) for run in runs]
    known = [value for value in values if value is not None]
    if len(set(known)) < 2:
        return Line(name, values)
    best = min(known) if name in LOSSES else max(known)
    return Line(name, values, tuple(i for i, value in enumerate(values) if value == best))
