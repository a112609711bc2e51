"""The evaluation's figures, drawn by ``python3 -m evaluate_model.figures FOLDER``.

It imports neither scikit-learn nor what does; Drawing, which starts it, tells it by a pickle on its
standard input what to draw, and gets the error back that ended it.
"""

import os
import pickle
import shutil
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

# The image holds matplotlib's list of fonts, which it looks for in a folder that it can write to.
if "FONT_LIST" in os.environ:
    shutil.copytree(os.environ["FONT_LIST"], os.environ["MPLCONFIGDIR"], dirs_exist_ok=True)

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from evaluate_model.drawing import Weights

# The salt and the missing date make the same model give the same bytes.
HASH_SALT = "evaluate_model"
# More points than a figure has pixels change nothing that is seen.
MOST_POINTS = 2000

Curve = tuple[np.ndarray, np.ndarray]


def draw_figures(
    *,
    roc: Curve,
    precision_recall: Curve,
    measured: dict[str, Any],
    weights: Weights,
    folder: Path,
) -> None:
    """Write each figure into the folder as SVG and as PNG.

    ``roc`` holds rates of false and of true positives, ``precision_recall`` recall and precision,
    each of shape (points,); ``measured`` holds the metrics, ``weights`` is what ``find_weights``
    returns.
    """
    drawings: dict[str, Callable[[Axes], object]] = {
        "roc_curve": lambda ax: draw_roc(*thin(*roc), measured["roc_auc"], ax),
        "precision_recall_curve": lambda ax: draw_precision_recall(
            *thin(*precision_recall), measured["average_precision"], measured["positive_share"], ax
        ),
        "calibration_curve": lambda ax: draw_calibration(measured["calibration"], ax),
        "confusion_matrix": lambda ax: draw_confusion(np.array(measured["confusion_matrix"]), ax),
        "coefficients": lambda ax: draw_coefficients(weights, ax),
    }
    folder.mkdir(exist_ok=True)
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcParams["svg.hashsalt"] = HASH_SALT
        # Names and levels come from the file: a dollar is a dollar, and no font has all letters.
        mpl.rcParams["text.parse_math"] = False
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        for name, draw in drawings.items():
            figure = Figure(figsize=(6, 4.5))
            draw(figure.add_subplot())
            if name == "coefficients":  # the only one whose labels may be of any length
                # Once for both files; as the figure's own engine it would be asked for each again.
                ConstrainedLayoutEngine().execute(figure)
            else:
                figure.subplots_adjust(left=0.14, right=0.96, bottom=0.13, top=0.92)
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
            figure.savefig(folder / f"{name}.png", dpi=120)


def thin(x: np.ndarray, y: np.ndarray) -> Curve:
    """Return a curve with no more than ``MOST_POINTS`` points, at even distances along it."""
    if len(x) <= MOST_POINTS:
        return x, y
    length = np.append(0, np.hypot(np.diff(x), np.diff(y)).cumsum())
    places = np.searchsorted(length, np.linspace(0, length[-1], MOST_POINTS))
    places = np.unique(places.clip(max=len(x) - 1))
    return x[places], y[places]


def draw_roc(false_rate: np.ndarray, true_rate: np.ndarray, area: float, ax: Axes) -> None:
    """Draw the receiver operating characteristic beside that of chance."""
    ax.plot(false_rate, true_rate, label=f"model (AUC = {area:.4f})")
    ax.plot([0, 1], [0, 1], "k--", label="chance (AUC = 0.5)")
    ax.set(title="ROC curve", xlabel="false positive rate", ylabel="true positive rate")
    ax.set(aspect="equal")
    ax.legend(loc="lower right")


def draw_precision_recall(
    recall: np.ndarray, precision: np.ndarray, average: float, share: float, ax: Axes
) -> None:
    """Draw the precision over the recall beside that of chance, which is the share of clicks."""
    ax.plot(recall, precision, drawstyle="steps-post", label=f"model (AP = {average:.4f})")
    ax.plot([0, 1], [share, share], "k--", label=f"chance (AP = {share:.4f})")
    ax.set(title="Precision-recall curve", xlabel="recall", ylabel="precision", aspect="equal")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    ax.legend(loc="lower left")


def draw_calibration(calibration: list[dict[str, Any]], ax: Axes) -> None:
    """Draw the observed share of clicks of each bin over the predicted one.

    The axes end where the bins do: of rare clicks all stand near 0.
    """
    predicted, observed = ([told[key] for told in calibration] for key in ("predicted", "observed"))
    end = max(*predicted, *observed) * 1.05
    ax.plot([0, end], [0, end], "k:", label="perfectly calibrated")
    ax.plot(predicted, observed, "s-", label="model")
    ax.set(title="Calibration curve", aspect="equal")
    ax.set(xlabel="mean predicted probability", ylabel="share of clicks")
    ax.legend(loc="upper left")


def draw_confusion(counts: np.ndarray, ax: Axes) -> None:
    """Draw the confusion matrix: the true class in its rows, the predicted one in its columns."""
    ax.imshow(counts, cmap="Blues")
    for (row, column), rows in np.ndenumerate(counts):
        color = "white" if rows > counts.max() / 2 else "black"
        ax.text(column, row, f"{rows:,}", ha="center", va="center", color=color)
    ax.set(title="Confusion matrix", xlabel="predicted class", ylabel="true class")
    ax.set(xticks=[0, 1], yticks=[0, 1])


def draw_coefficients(weights: Weights, ax: Axes) -> None:
    """Draw the largest weights of features, or of what is made of them."""
    names, lengths = zip(*weights.bars, strict=True)
    ax.barh(range(len(names)), lengths, tick_label=names)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.invert_yaxis()
    ax.set(title=weights.title, xlabel=weights.unit)


def main() -> None:
    """Draw what standard input tells."""
    told = pickle.load(sys.stdin.buffer)
    try:
        draw_figures(**told, folder=Path(sys.argv[1]))
    except Exception as error:
        error.add_note(traceback.format_exc())
        pickle.dump(error, sys.stdout.buffer)
    sys.stdout.flush()
    os._exit(0)  # to take matplotlib down again takes a while


if __name__ == "__main__":
    main()
