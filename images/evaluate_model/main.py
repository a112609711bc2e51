"""Measure the model on rows it never saw, and hold it to the quality gate."""

from typing import Any

from evaluate_model.drawing import Drawing
from stage import Run, run_script


def run(run: Run) -> dict[str, Any]:
    """Write ``metrics.json`` and ``figures/``; a model that misses the gate ends in 80."""
    with Drawing(run.output("figures/")) as drawing:
        # Only now: scikit-learn is as slow to import as matplotlib is, in the other process.
        from evaluate_model.evaluate import evaluate

        return evaluate(run, drawing)


if __name__ == "__main__":
    run_script(__file__)
