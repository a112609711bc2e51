"""The evaluation's figures, by scikit-learn's own displays."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import ConfusionMatrixDisplay, PrecisionRecallDisplay, RocCurveDisplay
from sklearn.pipeline import Pipeline

# The salt and the missing date make the same model give the same bytes.
HASH_SALT = "evaluate_model"


def draw_figures(
    model: Pipeline, rows: pa.Table, truth: np.ndarray, output: Callable[[str], Path]
) -> None:
    """Write each figure below ``figures/`` as SVG and as PNG.

    ``rows`` are the raw test rows, ``truth`` their classes of shape (rows,); ``output`` gives the
    path for an output's name.
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
        "calibration_curve": lambda ax: CalibrationDisplay.from_predictions(
            truth, probability, n_bins=10, strategy="quantile", ax=ax, name="model"
        ),
        "confusion_matrix": lambda ax: ConfusionMatrixDisplay.from_predictions(
            truth, predicted, ax=ax, cmap="Blues", colorbar=False
        ),
        "coefficients": lambda ax: draw_coefficients(model, ax),
    }
    mpl.use("Agg")
    with mpl.rc_context():
        mpl.rcParams["svg.hashsalt"] = HASH_SALT
        for name, draw in drawings.items():
            figure, ax = plt.subplots(figsize=(6, 4.5), layout="constrained")
            draw(ax)
            ax.set_title(name.replace("_", " ").capitalize())
            figure.savefig(output(f"figures/{name}.svg"), metadata={"Date": None})
            figure.savefig(output(f"figures/{name}.png"), dpi=120)
            plt.close(figure)


def draw_coefficients(model: Pipeline, ax: Axes) -> None:
    """Draw the classifier's weight of each scaled feature, in log-odds per unit of the scale."""
    names = model[:-1].get_feature_names_out(model.feature_names_in_)
    weights = model[-1].coef_[0]
    ax.barh(names, weights)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.invert_yaxis()
    ax.set_xlabel("weight (log-odds per unit of the scaled feature)")
