"""The way it is mostly done: pandas, and a pickle of the DataFrame from each step to the next.

``python original.py <file.csv> <folder>`` writes its pickles and figures below the folder, and what
each step took to standard output. Types are those that pandas takes by itself; nothing is checked.
"""

import pickle
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from sklearn import metrics
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from steps import Steps

mpl.use("Agg")
import matplotlib.pyplot as plt

TARGET = "Clicked on Ad"
UNUSED = ["Ad Topic Line", "City", "Country", "Timestamp"]


def dump(content: object, path: Path) -> None:
    """Write a pickle."""
    with path.open("wb") as file:
        pickle.dump(content, file)


def load(path: Path) -> Any:
    """Read a pickle of this program's own."""
    with path.open("rb") as file:
        return pickle.load(file)


def load_data(source: Path, folder: Path) -> None:
    """CSV to DataFrame."""
    dump(pd.read_csv(source), folder / "raw.pkl")


def data_preprocessing(folder: Path) -> None:
    """Drop rows with gaps and columns that no model takes, and scale the features."""
    data = load(folder / "raw.pkl").dropna().drop(columns=UNUSED)
    features = [name for name in data.columns if name != TARGET]
    data[features] = StandardScaler().fit_transform(data[features])
    dump(data, folder / "preprocessed.pkl")


def separate_data(folder: Path) -> None:
    """Training and test rows, features and target apart."""
    data = load(folder / "preprocessed.pkl")
    parts = train_test_split(
        data.drop(columns=TARGET), data[TARGET], test_size=0.3, random_state=42
    )
    for name, part in zip(("x_train", "x_test", "y_train", "y_test"), parts, strict=True):
        dump(part, folder / f"{name}.pkl")


def build_model(folder: Path) -> None:
    """Fit."""
    model = LogisticRegression(random_state=42, max_iter=1000)
    model.fit(load(folder / "x_train.pkl"), load(folder / "y_train.pkl"))
    dump(model, folder / "model.pkl")


def evaluate_model(folder: Path) -> dict[str, Any]:
    """Metrics, a report and two figures."""
    model = load(folder / "model.pkl")
    rows, truth = load(folder / "x_test.pkl"), load(folder / "y_test.pkl")
    predicted = model.predict(rows)
    probability = model.predict_proba(rows)[:, 1]
    (folder / "report.txt").write_text(metrics.classification_report(truth, predicted))
    metrics.ConfusionMatrixDisplay.from_predictions(truth, predicted)
    plt.savefig(folder / "confusion_matrix.png")
    metrics.RocCurveDisplay.from_predictions(truth, probability)
    plt.savefig(folder / "roc_curve.png")
    return {
        "accuracy": metrics.accuracy_score(truth, predicted),
        "roc_auc": metrics.roc_auc_score(truth, probability),
        "average_precision": metrics.average_precision_score(truth, probability),
        "log_loss": metrics.log_loss(truth, probability),
    }


def main() -> None:
    """Take the steps in order."""
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    steps = Steps()
    with steps.step("load_data"):
        load_data(source, folder)
    with steps.step("data_preprocessing"):
        data_preprocessing(folder)
    with steps.step("separate_data"):
        separate_data(folder)
    with steps.step("build_model"):
        build_model(folder)
    with steps.step("evaluate_model"):
        measured = evaluate_model(folder)
    steps.say(folder, measured)


if __name__ == "__main__":
    main()
