"""The new model and its rows beside the published ones."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.pipeline import Pipeline

from evaluate_model.champion import (
    LEVEL,
    REFERENCE,
    Champion,
    compare,
    predict_click,
    read_champion,
)
from evaluate_model.drift import find_drift, measure_score
from evaluate_model.sample import draw_rows
from stage import Run, log, one_line

MOST_COMPARED = 2**15
MOST_REFERENCE = 10_000
NOTHING = {"rows": 0, "accuracy": None, "roc_auc": None, "log_loss": None}


def challenge(run: Run, model: Pipeline) -> dict[str, Any]:
    """Write ``comparison.json``, ``drift.json`` and ``reference.parquet``; return the metrics.

    They are ``comparison``, ``drifted`` and ``warnings``. Of tables with many rows a bounded number
    is compared, drawn at random.
    """
    opened = run.read_json("start_pipeline/run.json")
    features, target = opened["features"], opened["target"]
    with pq.ParquetFile(run.input("train.parquet")) as table:
        train = draw_rows(table, [*features, target], MOST_REFERENCE)
    with pq.ParquetFile(run.input("test.parquet")) as table:
        test = draw_rows(table, [*features, target], MOST_COMPARED)
    pq.write_table(train, run.output(REFERENCE), compression="zstd")

    champion = read_champion(run, opened)
    chance, champion = score_champion(champion, test, features)
    new = predict_click(model, test, features)
    seen = find_seen(champion, test, train, features)
    comparison = judge(run, opened, champion, seen, (test[target].to_numpy(), chance, new))
    drift = find_drift(opened, champion, train, test, chance)
    drift["own_score"] = measure_score(test[target].to_numpy(), new)
    run.write_json("comparison.json", comparison)
    run.write_json("drift.json", drift)
    for sentence in (comparison["reason"], *drift["warnings"]):
        log.info("%s", sentence)
    keys = ("drifted", "warnings")
    return {"comparison": comparison} | {key: drift[key] for key in keys}


def score_champion(
    champion: Champion | None, test: pa.Table, features: list[str]
) -> tuple[np.ndarray | None, Champion | None]:
    """Return the published model's probabilities of a click, shape (rows,), None where it has none.

    One that fails on these rows, such as one that knows no missing cells, is none for them.
    """
    if not champion or not champion.model:
        return None, champion
    try:
        return predict_click(champion.model, test, features), champion
    except Exception as error:
        told = one_line(f"{type(error).__name__}: {error}", 300)
        why_not = f"the published model cannot score these rows ({told})"
        return None, Champion(champion.summary, why_not, None, champion.reference)


def find_seen(
    champion: Champion | None, test: pa.Table, train: pa.Table, features: list[str]
) -> np.ndarray:
    """Return which test rows only the published model was trained on, shape (rows,).

    A row that both have a training row like gives neither of them an advantage. By its features
    alone: rows chosen by their class too would not be the ones to measure by.
    """
    if not champion or champion.reference is None:
        return np.zeros(len(test), bool)
    theirs = set(as_tuples(champion.reference, features)) - set(as_tuples(train, features))
    return np.array([row in theirs for row in as_tuples(test, features)])


def as_tuples(rows: pa.Table, columns: list[str]) -> list[tuple[Any, ...]]:
    """Return the rows as values that can be compared."""
    return list(zip(*(rows[name].to_pylist() for name in columns), strict=True))


def judge(
    run: Run,
    opened: dict[str, Any],
    champion: Champion | None,
    seen: np.ndarray,
    scores: tuple[np.ndarray, np.ndarray | None, np.ndarray],
) -> dict[str, Any]:
    """Return ``comparison.json``; ``scores`` are the classes, the old and the new probabilities.

    The published model must not win by rows that it was trained on. Where its test rows are the
    same ones it saw none of them. Else those that it is known to have seen are left out; where it
    may have seen others of them, the new model is never called worse.
    """
    if champion is None:
        reason = "no model is published yet"
        return verdict("first", reason, None, why_not=reason)
    truth, old, new = scores
    same_rows = tested_on(run) == champion.summary.get("parts", {}).get("test", "unknown")
    kept = np.ones(len(truth), bool) if same_rows else ~seen
    why_not = champion.why_not
    if not why_not and len(np.unique(truth[kept])) < 2:
        why_not = (
            f"the published model of run {champion.name['run_id']} was trained on "
            f"{int(seen.sum())} of these {len(truth)} test rows, and the others do not hold both "
            "classes"
        )
    if why_not or old is None:
        return verdict("not_comparable", why_not or "", champion.name, why_not=why_not)
    found = compare(truth[kept], old[kept], new[kept])
    fair = same_rows or is_fair(champion, opened, seen)
    word, reason = explain(found, str(champion.name["run_id"]))
    if not kept.all():
        reason += f"; {int(seen.sum())} test rows that it was trained on are left out"
    if word == "worse" and not fair:
        word = "not_worse"
        reason += "; that is no proof, as that model may have been trained on some of these rows"
    return verdict(word, reason, champion.name, compared=True, **found)


def tested_on(run: Run) -> str:
    """Return the sha256 of this run's test rows."""
    return str(next(e["sha256"] for n, e in run.inputs.items() if n.endswith("/test.parquet")))


def is_fair(champion: Champion, opened: dict[str, Any], seen: np.ndarray) -> bool:
    """Tell whether no test row is left that the published model may have been trained on."""
    summary = champion.summary
    all_known = champion.reference is not None and len(champion.reference) == summary["train_rows"]
    other_source = summary["source"]["sha256"] != opened["source"]["sha256"]
    return all_known or (other_source and not seen.any())


def explain(found: dict[str, Any], run_id: str) -> tuple[str, str]:
    """Return the verdict on a comparison and its sentence: worse on any measure is worse.

    The log loss is one of them: a model may be right as often, and be sure of nothing.
    """
    accuracy, roc_auc, log_loss = (found[key] for key in ("accuracy", "roc_auc", "log_loss"))
    certain = accuracy["p_value"] < 1 - LEVEL
    # Ends of the interval: of each measure less than 0 is worse.
    areas, losses = roc_auc["interval"], [-end for end in reversed(log_loss["interval"])]
    words = {
        "worse": (certain and accuracy["difference"] < 0) or areas[1] < 0 or losses[1] < 0,
        "better": (certain and accuracy["difference"] > 0) or areas[0] > 0 or losses[0] > 0,
        "not_worse": True,
    }
    word = next(word for word, holds in words.items() if holds)
    return word, (
        f"{word.replace('_', ' ')} than the published model of run {run_id} on the same "
        f"{found['rows']} test rows: accuracy {accuracy['challenger']:.4f} against "
        f"{accuracy['champion']:.4f} (McNemar's p {accuracy['p_value']:.3g}), "
        f"{tell('ROC AUC', roc_auc)}, {tell('log loss', log_loss)}"
    )


def tell(name: str, measure: dict[str, Any]) -> str:
    """Return both models' measure, and the interval of the difference, in words."""
    low, high = measure["interval"]
    return (
        f"{name} {measure['challenger']:.4f} against {measure['champion']:.4f} ({LEVEL:.0%} "
        f"interval of the difference {low:+.4f} to {high:+.4f})"
    )


def verdict(
    word: str,
    reason: str,
    champion: dict[str, Any] | None,
    *,
    compared: bool = False,
    why_not: str | None = None,
    **found: Any,
) -> dict[str, Any]:
    """Return the content of ``comparison.json``."""
    head = {"champion": champion, "compared": compared, "why_not": why_not}
    return {**head, **NOTHING, **found, "verdict": word, "reason": reason}
