"""The work of another stage as a part of this one: its contract, its outputs, its report.

Whoever reads a run finds there what the stages by themselves would leave, so that nothing behind
has to know which way the model was made. What stays in Spark, the tables of all rows, is in no
contract here.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from stage import (
    HERE,
    Contract,
    Ending,
    Run,
    StageError,
    heartbeat,
    remove_leftovers,
    set_aside_former,
)

STAGES = ("load_data", "data_preprocessing", "separate_data", "build_model", "evaluate_model")
TABLES = ("table.parquet", "features.parquet", "train.parquet", "test.parquet")
# Where the rows of a part stand that is too large for one file: some of them.
SAMPLE = "sample/"
SPARK = ("pyspark",)


@dataclass
class Part(Run):
    """A run of another stage within the run of this one; its progress is a piece of the whole."""

    whole: Run | None = None
    start: float = 0.0
    end: float = 1.0

    def progress(self, fraction: float, message: str) -> None:
        """Say how far the part is, and with it the whole."""
        self.said = {"fraction": round(fraction, 4), "message": message}
        self.write_progress()
        assert self.whole
        self.whole.progress(self.start + fraction * (self.end - self.start), message)

    def leave(self, name: str) -> None:
        """Declare an output that only some runs have."""
        self.contract.outputs[name] = {"help": "rows of a part"}

    def take(self, stage: str, name: str, like: str) -> None:
        """Declare an input that another part has left; ``like`` is its name in the contract."""
        known = Contract.load(HERE / self.stage).inputs
        rules = next(entry for path, entry in known.items() if path.endswith(f"/{like}"))
        self.contract.inputs[f"runs/{{run_id}}/{stage}/{name}"] = rules


def clear_parts(run: Run) -> None:
    """Remove what an earlier try left, so that nothing stale passes for this one's result."""
    for stage in STAGES:
        contract = contract_of(stage, whole=True)
        part = Run(contract, run.volume, run.run_id, {}, lease=run.lease, lock=run.lock)
        if part.folder.is_dir():
            remove_leftovers(part.folder)
            set_aside_former(part)
            shutil.rmtree(part.former, ignore_errors=True)


def contract_of(stage: str, *, whole: bool = False) -> Contract:
    """Return a stage's contract without the tables that stay in Spark, unless it is the whole."""
    contract = Contract.load(HERE / stage)
    outputs, inputs = dict(contract.outputs), dict(contract.inputs)
    if whole:
        outputs[SAMPLE] = {}
    else:
        outputs = {name: rules for name, rules in outputs.items() if name not in TABLES}
        inputs = {path: rules for path, rules in inputs.items() if not path.endswith(TABLES)}
    packages = (*contract.packages, *SPARK)
    return replace(contract, inputs=inputs, outputs=outputs, packages=packages, reusable=False)


@contextmanager
def part_of(run: Run, stage: str, start: float, end: float) -> Iterator[Part]:
    """Do the work of a stage: its outputs are moved into place and its report is written after.

    A refusal leaves what the stage's contract keeps. ``start`` and ``end`` say which piece of the
    whole work it is.
    """
    contract = contract_of(stage)
    known = Contract.load(HERE / stage).parameters
    chosen = {name: run.parameters.get(name, rules["default"]) for name, rules in known.items()}
    part = Part(contract, run.volume, run.run_id, chosen, lease=run.lease, lock=run.lock)
    part.whole, part.start, part.end, part.recipe = run, start, end, run.recipe
    part.why = f"{run.stage} did its work"
    part.folder.mkdir(parents=True, exist_ok=True)
    assert run.scratch, "parts are made while the stage works"
    part.scratch = run.scratch / stage
    part.scratch.mkdir()
    ending = Ending(stage)
    ending.run, ending.packages = part, contract.packages
    run.parts.append(ending)
    part.progress(0, contract.summary)
    with heartbeat(part):
        try:
            yield part
        except StageError as refusal:
            if refusal.code in (65, 80):
                part.commit(part.gather(only_kept=True), refused=True)
            raise
        part.commit(part.gather())
    with run.lock:
        error: Any = ending.write_report(None)[1]
    if error:
        raise error
