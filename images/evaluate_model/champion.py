"""The published model, and whether a new one is worse than it on the same rows beyond chance."""

import hashlib
import io
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import binomtest, bootstrap
from sklearn.pipeline import Pipeline

from evaluate_model.scores import predict, row_losses
from stage import Run, describe_file, one_line

MODEL = "logistic_regression_model.pkl"
SUMMARY = "model_summary.json"
REFERENCE = "reference.parquet"
# A model of the same worth is found worse by chance on one of three measures in 2.5 of 100 runs.
LEVEL = 1 - 0.05 / 3
RESAMPLES = 1000
RESAMPLED_CELLS = 2**21


@dataclass(frozen=True)
class Champion:
    """What is published: its summary; its model and training rows where they can be used."""

    summary: dict[str, Any]
    why_not: str | None = None
    model: Pipeline | None = None
    reference: pa.Table | None = None

    @property
    def name(self) -> dict[str, Any]:
        """The run that made it, and the sha256 of its model."""
        model = self.summary.get("model") or {}
        return {"run_id": self.summary.get("run_id"), "sha256": model.get("sha256")}


def read_champion(run: Run, opened: dict[str, Any]) -> Champion | None:
    """Return the published model, or None where none is; ``opened`` is ``run.json``.

    All is read from the one folder that ``model/current`` leads to now, so that a model is never
    taken with the summary of another. What the summary's hashes do not prove is not loaded.
    """
    release = run.path("model/current")
    if not (release / SUMMARY).is_file():
        return None
    try:
        summary = json.loads(read_input(run, release, SUMMARY))
        check_summary(summary)
        if why_not := find_difference(summary, opened):
            return Champion(summary, why_not)
        pickled = read_input(run, release, MODEL)
        if hashlib.sha256(pickled).hexdigest() != summary["model"]["sha256"]:
            return Champion(summary, f"the published {MODEL} is not the one of its summary")
        reference = read_reference(run, release, summary)
        # Only model_summary of this project publishes here, and its sha256 is that of its summary.
        return Champion(summary, None, pickle.loads(pickled), reference)
    except Exception as error:  # an old model must not keep a new one from being measured
        told = one_line(f"{type(error).__name__}: {error}", 300)
        known = locals().get("summary")
        return Champion(
            known if isinstance(known, dict) else {},
            f"the published model in model/releases/{release.name} cannot be read ({told})",
        )


def check_summary(summary: dict[str, Any]) -> None:
    """Raise KeyError or TypeError for a summary that lacks what is asked of it later."""
    for table, keys in {
        "model": ("sha256",),
        "source": ("sha256",),
        "metrics": ("accuracy", "log_loss"),
    }.items():
        for key in keys:
            summary[table][key]
    for key in ("run_id", "train_rows", "test_rows"):
        summary[key]


def read_input(run: Run, release: Path, name: str) -> bytes:
    """Return a published file's bytes, and record it as the input that counts."""
    path = release / name
    run.inputs[f"model/{name}"] = describe_file(path, run.volume)
    return path.read_bytes()


def read_reference(run: Run, release: Path, summary: dict[str, Any]) -> pa.Table | None:
    """Return the training rows that were published with a model; None where they can't be used."""
    known = summary.get("files", {}).get(REFERENCE)
    if not known or not (release / REFERENCE).is_file():
        return None
    content = read_input(run, release, REFERENCE)
    if hashlib.sha256(content).hexdigest() != known["sha256"]:
        return None
    return pq.read_table(io.BytesIO(content))


def find_difference(summary: dict[str, Any], opened: dict[str, Any]) -> str | None:
    """Return why a published model is no model for this run's columns, or None.

    It is one where features and target have the same names and types, whatever the data set's name.
    """
    mine = opened["contract"]["columns"]
    names = [*opened["features"], opened["target"]]
    theirs = summary.get("contract", {}).get("columns", {})
    told = f"the published model is of run {summary.get('run_id')}"
    if summary["target"] != opened["target"]:
        return f"{told} and predicts {summary['target']!r}, not {opened['target']!r}"
    if other := sorted(set(summary["features"]) ^ set(opened["features"])):
        return f"{told} and has other features: {one_line(repr(other[0]), 80)} is in one of them"
    for name in names:
        for key in ("type", "positive"):
            if name in theirs and theirs[name].get(key) != mine[name].get(key):
                return f"{told}, where {one_line(repr(name), 80)} has another {key}"
    return None


def predict_click(model: Pipeline, rows: pa.Table, features: list[str]) -> np.ndarray:
    """Return the probabilities of a click, shape (rows,)."""
    chance: np.ndarray = model.predict_proba(rows.select(features))[:, 1]
    return chance


def compare(truth: np.ndarray, champion: np.ndarray, challenger: np.ndarray) -> dict[str, Any]:
    """Return both models' measures on the same rows: accuracy, ROC AUC and log loss.

    ``truth`` holds classes, the others probabilities of a click, each of shape (rows,), of both
    classes. The p-value of the accuracy is McNemar's exact one: of the rows on which just one of
    the models is right, each is as likely to be right if they are worth the same. The other
    differences have an interval of the bootstrap; a row that is drawn again is so for both models.
    """
    both = (champion, challenger)
    right, right_now = (predict(chance) == truth for chance in both)
    lost, won = int((right & ~right_now).sum()), int((right_now & ~right).sum())
    p_value = binomtest(won, won + lost, 0.5).pvalue if won + lost else 1.0
    losses = [row_losses(truth, chance) for chance in both]
    measures = {
        "accuracy": [float(right.mean()), float(right_now.mean())],
        "roc_auc": [float(area(truth, chance)) for chance in both],
        "log_loss": [float(loss.mean()) for loss in losses],
    }
    told: dict[str, dict[str, Any]] = {
        name: {"champion": old, "challenger": new, "difference": new - old}
        for name, (old, new) in measures.items()
    }

    ranks = [rank(chance) for chance in both]

    def areas(clicks: np.ndarray, others: np.ndarray) -> float:
        old, new = (area_of_ranks(found[clicks], found[others]) for found in ranks)
        return new - old

    def mean_loss(clicks: np.ndarray, others: np.ndarray) -> float:
        return float((losses[1] - losses[0])[np.concatenate([clicks, others])].mean())

    told["accuracy"] |= {"p_value": float(p_value), "method": "mcnemar_exact"}
    for name, difference in (("roc_auc", areas), ("log_loss", mean_loss)):
        interval = bootstrap_rows(truth, difference)
        told[name] |= {"interval": interval, "method": "paired_bootstrap"}
    return {"rows": len(truth), "level": LEVEL, **told}


def area(truth: np.ndarray, chance: np.ndarray) -> float:
    """Return the area under the ROC curve; both arrays have shape (rows,)."""
    ranks = rank(chance)
    return area_of_ranks(ranks[truth == 1], ranks[truth != 1])


def rank(chance: np.ndarray) -> np.ndarray:
    """Return the places of probabilities in their order, equal ones of equal probabilities."""
    ranks: np.ndarray = np.unique(chance, return_inverse=True)[1]
    return ranks


def area_of_ranks(clicks: np.ndarray, others: np.ndarray) -> float:
    """Return the area under the ROC curve of the ranks of clicks and of other rows.

    It is the share of pairs of a click and another row that are in the right order, ties counting
    half (Mann and Whitney). Counted, not sorted: the bootstrap asks a thousand times.
    """
    size = max(clicks.max(), others.max()) + 1
    of_clicks, of_others = (np.bincount(part, minlength=size) for part in (clicks, others))
    below = of_others.cumsum() - of_others / 2
    return float((of_clicks * below).sum() / (len(clicks) * len(others)))


def bootstrap_rows(truth: np.ndarray, difference: Callable[..., float]) -> list[float]:
    """Return the interval of a difference, which takes the rows that are drawn, by class.

    Rows are drawn within their class, so that no draw lacks one.
    """
    found = bootstrap(
        [np.flatnonzero(truth == 1), np.flatnonzero(truth != 1)],
        difference,
        n_resamples=RESAMPLES,
        batch=max(1, RESAMPLED_CELLS // len(truth)),
        vectorized=False,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(42),
    ).confidence_interval
    return [float(found.low), float(found.high)]
