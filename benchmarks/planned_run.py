"""One run of an invented history: what it is told, how it ends and what it measures."""

from __future__ import annotations

import dataclasses
import math
import random
import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TASK_GAP_SECONDS = 0.5
GATE = {"min_accuracy": 0.9, "min_roc_auc": 0.5}
Z = 1.959964  # of the 95 % interval


@dataclass(frozen=True)
class Outcome:
    """How a run ends: the share of runs that do, and where, with which exit code, at which try."""

    share: float = 0.0
    stage: str | None = None
    code: int = 0
    tries: int = 1
    by_hand: bool = False

    @property
    def mailed(self) -> bool:
        """Whether Airflow sends a mail when it is over."""
        return not self.by_hand and self != OUTCOMES["running"]


OUTCOMES = {
    "success": Outcome(),
    "by_hand": Outcome(0.03, by_hand=True),
    "data_refused": Outcome(0.024, "load_data", 65),
    "gate_missed": Outcome(0.02, "evaluate_model", 80),
    "crashed": Outcome(0.01, "build_model", 70, tries=3),
    "out_of_memory": Outcome(0.006, "build_model", 137),
    "running": Outcome(stage="build_model"),
}


@dataclass(frozen=True)
class Stage:
    """A stage: usual seconds of its task and of its work, usual peak memory, and its contract."""

    name: str
    task_seconds: float
    seconds: float
    peak_memory: int
    contract: dict[str, Any]


def read_stages() -> dict[str, Stage]:
    """Return the stages in the pipeline's order, by name."""
    usual = {
        "start_pipeline": (0.67, 0.016, 24_400_000),
        "load_data": (2.16, 1.144, 154_800_000),
        "data_preprocessing": (0.94, 0.278, 98_300_000),
        "separate_data": (3.44, 2.191, 185_500_000),
        "build_model": (3.45, 2.095, 185_700_000),
        "evaluate_model": (6.12, 4.751, 232_900_000),
        "model_summary": (0.85, 0.05, 24_300_000),
        "trigger_flask_api": (0.81, 0.092, 30_100_000),
        "end_pipeline": (0.55, 0.011, 24_400_000),
    }
    stages = {}
    for name, figures in usual.items():
        contract = tomllib.loads((ROOT / "images" / name / "stage.toml").read_text())
        stages[name] = Stage(name, *figures, contract)
    return stages


STAGES = read_stages()


@dataclass(frozen=True)
class PlannedRun:
    """A run before any file of it is written.

    ``pace`` is how many times its usual seconds a stage takes; ``metrics`` is what metrics.json
    would hold.
    """

    run_id: str
    outcome: str
    started: datetime
    pace: float
    source: str
    rows: int
    parameters: dict[str, Any]
    metrics: dict[str, Any]

    @property
    def ending(self) -> Outcome:
        """How the run ends."""
        return OUTCOMES[self.outcome]

    def starting(self, started: datetime) -> PlannedRun:
        """Return the same run at another time."""
        return dataclasses.replace(self, run_id=airflow_id(started), started=started)


def seconds_of(run: PlannedRun) -> float:
    """Return the seconds from a running run's start to now, some after its last stage began."""
    names = list(STAGES)
    done = names[: names.index(run.ending.stage or "") + 1]
    return sum(STAGES[name].task_seconds * run.pace + TASK_GAP_SECONDS for name in done)


def airflow_id(started: datetime) -> str:
    """Return the id that Airflow gives a run that a person starts."""
    return f"manual__{started.isoformat(timespec='microseconds')}"


def plan_run(number: int, outcome: str, started: datetime, generator: random.Random) -> PlannedRun:
    """Return an invented run."""
    rows = generator.choice((1000, 1000, 1000, 2000, 5000, 20000))
    source = "data/advertising.csv" if rows == 1000 else f"data/advertising_{rows}.csv"
    parameters = {
        name: parameter["default"]
        for stage in STAGES.values()
        for name, parameter in stage.contract.get("parameters", {}).items()
    }
    parameters |= {
        "source": "" if rows == 1000 else source,
        "test_size": generator.choice((0.2, 0.25, 0.3, 0.3, 0.3)),
        "random_state": generator.choice((42, 42, generator.randrange(1000))),
        "scaler": generator.choice(("standard", "standard", "minmax", "minmax+standard")),
        "C": generator.choice((0.01, 0.1, 1.0, 1.0, 10.0)),
        **GATE,
        "keep_runs": 100_000,
    }
    by_hand = OUTCOMES[outcome].by_hand
    return PlannedRun(
        run_id=f"by-hand-{number:05}" if by_hand else airflow_id(started),
        outcome=outcome,
        started=started,
        pace=round(generator.uniform(0.8, 1.6), 3),
        source=source,
        rows=rows,
        parameters=parameters,
        metrics=invent_metrics(rows, parameters, outcome == "gate_missed", generator),
    )


def invent_metrics(
    rows: int, parameters: dict[str, Any], missed: bool, generator: random.Random
) -> dict[str, Any]:
    """Return the content of a metrics.json: invented counts, and the scores that follow from them.

    ``missed`` asks for an accuracy that is below the gate.
    """
    test = round(rows * parameters["test_size"])
    positive = round(test * 0.5067)
    low, high = (0.12, 0.3) if missed else (0.01, 0.07)
    wrong = round(test * generator.uniform(low, high))
    fp = round(wrong * generator.uniform(0.3, 0.7))
    fn = wrong - fp
    tp, tn = positive - fn, test - positive - fp
    accuracy = (tp + tn) / test
    middle = (accuracy + Z**2 / (2 * test)) / (1 + Z**2 / test)
    half = Z * math.sqrt(accuracy * (1 - accuracy) / test + Z**2 / (4 * test**2))
    half /= 1 + Z**2 / test
    share = positive / test
    reason = f"accuracy {accuracy:.4f} is below min_accuracy {GATE['min_accuracy']}"
    return {
        "accuracy": accuracy,
        "roc_auc": round(1 - (1 - accuracy) * generator.uniform(0.3, 0.6), 6),
        "average_precision": round(1 - (1 - accuracy) * 0.4, 6),
        "log_loss": round((1 - accuracy) * generator.uniform(3, 4), 6),
        "baseline_log_loss": -share * math.log(share) - (1 - share) * math.log(1 - share),
        "brier_score": round((1 - accuracy) * generator.uniform(0.8, 1), 6),
        "precision": tp / (tp + fp),
        "recall": tp / positive,
        "f1": 2 * tp / (2 * tp + fp + fn),
        "confusion_matrix": [[tn, fp], [fn, tp]],
        "accuracy_interval": [middle - half, middle + half],
        "interval_level": 0.95,
        "baseline_accuracy": max(positive, test - positive) / test,
        "train_accuracy": round(min(1.0, accuracy + generator.uniform(-0.005, 0.015)), 6),
        "train_rows": rows - test,
        "test_rows": test,
        "positive_share": share,
        "calibration": [
            {"rows": test // 10, "predicted": place / 9, "observed": place / 9}
            for place in range(10)
        ],
        "gate": {**GATE, "passed": not missed, "reasons": [reason] if missed else []},
    }
