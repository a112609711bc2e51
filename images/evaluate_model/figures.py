"""The evaluation's figures, by scikit-learn's own displays."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from sklearn.metrics import ConfusionMatrixDisplay, PrecisionRecallDisplay, RocCurveDisplay
from sklearn.pipeline import Pipeline

from evaluate_model.weights import largest_weights

# The salt and the missing date make the same model give the same bytes.
HASH_SALT = "evaluate_model"
MOST_WEIGHTS = 20


def draw_figures(
    model: Pipeline,
    rows: pa.Table,
    truth: np.ndarray,
    calibration: list[dict[str, Any]],
    output: Callable[[str], Path],
) -> None:
    """Write each figure below ``figures/`` as SVG and as PNG.

    ``rows`` are the raw test rows, ``truth`` their classes of shape (rows,), ``calibration`` the
    bins of ``metrics.json``; ``output`` gives the path for an output's name.
    """
    probability = model.predict_proba(rows)[:, 1]
    predicted = model.predict(rows)
    drawings: dict[str, Callable[[Axes], object]] = {
        "roc_curve": lambda ax: RocCurveDisplay.from_predictions(
            truth, probability, ax=ax, plot_chance_level=True, name="model"
        ),
        "precision_recall_curve": lambda ax: PrecisionRecallDisplay.from_predictions(
            truth, probability, ax=ax, plot_chance_level=True, name="model"
        ),
        "calibration_curve": lambda ax: draw_calibration(calibration, ax),
        "confusion_matrix": lambda ax: ConfusionMatrixDisplay.from_predictions(
            truth, predicted, ax=ax, cmap="Blues", colorbar=False
        ),
        "coefficients": lambda ax: draw_coefficients(model, ax),
    }
    mpl.use("Agg")
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcParams["svg.hashsalt"] = HASH_SALT
        # Names and levels come from the file: a dollar is a dollar, and no font has all letters.
        mpl.rcParams["text.parse_math"] = False
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        for name, draw in drawings.items():
            figure, ax = plt.subplots(figsize=(6, 4.5), layout="constrained")
            draw(ax)
            ax.set_title(name.replace("_", " ").capitalize())
            figure.savefig(output(f"figures/{name}.svg"), metadata={"Date": None})
            figure.savefig(output(f"figures/{name}.png"), dpi=120)
            plt.close(figure)


def draw_calibration(calibration: list[dict[str, Any]], ax: Axes) -> None:
    """Draw the observed share of clicks of each bin over the predicted one.

    The axes end where the bins do: of rare clicks all stand near 0.
    """
    predicted, observed = ([told[key] for told in calibration] for key in ("predicted", "observed"))
    end = max(*predicted, *observed) * 1.05
    ax.plot([0, end], [0, end], "k:", label="perfectly calibrated")
    ax.plot(predicted, observed, "s-", label="model")
    ax.set(xlabel="mean predicted probability", ylabel="share of clicks", aspect="equal")
    ax.legend(loc="upper left")


def draw_coefficients(model: Pipeline, ax: Axes) -> None:
    """Draw the classifier's largest weights, in log-odds per unit of the scaled feature."""
    names, weights = zip(*largest_weights(model, MOST_WEIGHTS), strict=True)
    ax.barh(range(len(names)), weights, tick_label=names)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.invert_yaxis()
    ax.set_xlabel("weight (log-odds per unit of the scaled feature)")
