"""The files of one invented run, told stage by stage as the stages and Airflow write them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from planned_run import ROOT, STAGES, TASK_GAP_SECONDS, PlannedRun, Stage
from run_outputs import RULE, data_file, iso, metrics_of, outputs_of, sha256, to_json

DAG = "ml_pipeline_advertising"
VERSIONS = {
    "fastjsonschema": "2.22.3",
    "matplotlib": "3.11.2",
    "narwhals": "2.29.0",
    "numpy": "2.4.6",
    "openlineage-python": "1.54.0",
    "pyarrow": "26.0.1",
    "scikit-learn": "1.9.1",
    "skl2onnx": "1.20.0",
    "skops": "0.16.0",
}
CAUSES = {
    int(code): entry["cause"]
    for code, entry in tomllib.loads((ROOT / "images/exit_codes.toml").read_text()).items()
}
AGE = f"line 7, column 'Age', value 'thirty': {RULE} (and 1 more, see validation.json)"
# Outputs that other runs have too, to the byte.
ALIKE = (".parquet", ".pkl", ".svg", ".png", "validation.json", "profile.json", "monitor.json")
KEPT_ON_REFUSAL = (65, 80)


@dataclass(frozen=True)
class File:
    """A file: path below the run's folder, content, time, and whether other runs have its like."""

    path: str
    content: bytes
    time: datetime
    alike: bool = False


@dataclass(frozen=True)
class Try:
    """One try of a stage's task; ``code`` is None while it is at work."""

    stage: Stage
    number: int
    begun: datetime
    ended: datetime
    code: int | None = 0
    message: str | None = None

    def describe(self) -> dict[str, Any]:
        """Return the try as task.json holds it."""
        working = self.code is None
        return {
            "try_number": self.number,
            "state": "running" if working else "failed" if self.code else "success",
            "started": iso(self.begun),
            "ended": None if working else iso(self.ended),
            "seconds": None if working else round((self.ended - self.begun).total_seconds(), 3),
            "cause": CAUSES[self.code] if self.code else None,
            "message": self.message,
            "exit_code": self.code,
            "oom_killed": self.code == 137,
        }


def files_of(run: PlannedRun) -> Iterator[File]:
    """Yield the files of a run, each stage's outputs before its report."""
    told = RunFiles(run, run.started)
    for stage in STAGES.values():
        if stage.name == run.ending.stage:
            yield from told.work(stage) if run.outcome == "running" else told.fail(stage)
            break
        yield from told.succeed(stage)
        if stage.name == "model_summary" and run.ending.mailed:
            yield told.mail("success_email")
    if run.ending.code:
        yield told.mail("failure_email")
        yield from told.succeed(STAGES["trigger_flask_api"])


@dataclass
class RunFiles:
    """Tells a run; ``clock`` is the time that the telling has come to."""

    run: PlannedRun
    clock: datetime
    made: dict[str, dict[str, Any]] = field(default_factory=dict)

    def succeed(self, stage: Stage) -> Iterator[File]:
        """Yield what a stage leaves that succeeds."""
        done = self.pass_try(stage, 1)
        outputs = self.outputs(done)
        yield from outputs
        metrics = metrics_of(self.run, stage.name, done.ended)
        yield self.report(done, outputs, metrics)
        last: dict[str, Any] = {"stage": stage.name, "run_id": self.run.run_id, "status": "done"}
        last |= {"seconds": self.seconds(stage), "metrics": metrics, "error": None}
        yield from self.note(done, json.dumps(last, separators=(",", ":")))

    def fail(self, stage: Stage) -> Iterator[File]:
        """Yield what a stage leaves that fails at its last try; those before failed the same."""
        code = self.run.ending.code
        tries = [self.pass_try(stage, n + 1, code) for n in range(self.run.ending.tries)]
        last = tries[-1]
        kept = self.outputs(last) if code in KEPT_ON_REFUSAL else []
        yield from kept
        if code == 137:  # killed: what it had said last stays, and there is no report
            yield self.progress(stage)
        else:
            metrics = metrics_of(self.run, stage.name, last.ended) if code == 80 else {}
            yield self.report(last, kept, metrics)
        line = f"{iso(last.ended)} ERROR {CAUSES[code]}: {last.message}"
        yield from self.note(last, line, tries[:-1])

    def work(self, stage: Stage) -> Iterator[File]:
        """Yield what a stage shows that is at work."""
        yield self.progress(stage)
        yield from self.note(Try(stage, 1, self.clock, self.clock, None))

    def pass_try(self, stage: Stage, number: int, code: int = 0) -> Try:
        """Let a try pass."""
        begun = self.clock
        ended = begun + timedelta(seconds=stage.task_seconds * self.run.pace)
        self.clock = ended + timedelta(seconds=TASK_GAP_SECONDS)
        return Try(stage, number, begun, ended, code, self.message(code) if code else None)

    def message(self, code: int) -> str:
        """Return the sentence that says why the run failed."""
        return {
            65: f"{self.run.source}, {AGE}",
            70: "crashed with LinAlgError: Singular matrix",
            80: "; ".join(self.run.metrics["gate"]["reasons"]),
            137: "build_model needed more than its limit of 2g",
        }[code]

    def seconds(self, stage: Stage) -> float:
        """Return the seconds that a stage's own work took."""
        return round(stage.seconds * self.run.pace, 3)

    def file(self, path: str, content: bytes, moment: datetime, *, alike: bool = False) -> File:
        """Return a file, and remember it for the reports that name it."""
        place = f"runs/{self.run.run_id}/{path}"
        self.made[place] = {"path": place, "bytes": len(content), "sha256": sha256(content)}
        return File(path, content, moment, alike)

    def outputs(self, made_by: Try) -> list[File]:
        """Return what a stage wrote."""
        stage = made_by.stage.name
        return [
            self.file(f"{stage}/{name}", content, made_by.ended, alike=name.endswith(ALIKE))
            for name, content in outputs_of(self.run, stage, made_by.ended).items()
        ]

    def report(self, told: Try, outputs: list[File], metrics: dict[str, Any]) -> File:
        """Return a stage's report.json."""
        stage = told.stage
        how = told.describe()
        content = {
            "stage": stage.name,
            "run_id": self.run.run_id,
            "status": "failed" if told.code else "done",
            "started": iso(told.begun + timedelta(seconds=0.4)),
            "seconds": self.seconds(stage),
            "parameters": self.parameters(stage),
            "inputs": self.inputs(stage),
            "outputs": [self.made[f"runs/{self.run.run_id}/{file.path}"] for file in outputs],
            "metrics": metrics,
            "versions": {
                "python": "3.13.5",
                **{name: VERSIONS[name] for name in stage.contract.get("packages", ())},
            },
            "peak_memory_bytes": round(stage.peak_memory * (1 + self.run.rows / 100_000)),
            "error": {"code": told.code, "cause": how["cause"], "message": how["message"]}
            if told.code
            else None,
            "taken_from": None,
            "why": f"{stage.name} works in every run",
            "recipe": self.recipe(stage),
            "revision": "unknown",
        }
        return self.file(f"{stage.name}/report.json", to_json(content), told.ended)

    def recipe(self, stage: Stage) -> dict[str, Any]:
        """Return what a stage's work follows from, as its report has it."""
        paths = stage.contract["inputs"]
        return {
            "code": sha256(stage.name.encode()),
            "dependencies": sha256(b"packages"),
            "python": "3.13.5",
            "parameters": self.parameters(stage),
            "inputs": {
                path: entry["sha256"]
                for path, entry in zip(paths, self.inputs(stage), strict=False)
            },
        }

    def inputs(self, stage: Stage) -> list[dict[str, Any]]:
        """Return a stage's inputs as its report names them, with the data file, read by two."""
        paths = [
            path.format(run_id=self.run.run_id, **self.run.parameters)
            for path in stage.contract["inputs"]
        ]
        if stage.name in ("start_pipeline", "load_data"):
            paths.append(self.run.source)
        return [self.made.get(path) or data_file(path, self.run.rows) for path in paths]

    def parameters(self, stage: Stage) -> dict[str, Any]:
        """Return what a stage was told."""
        return {name: self.run.parameters[name] for name in stage.contract.get("parameters", ())}

    def note(self, told: Try, line: str = "", former: list[Try] | None = None) -> Iterator[File]:
        """Yield Airflow's note of a stage's task, task.json; there is none of a run by hand."""
        if self.run.ending.by_hand:
            return
        stage, run_id = told.stage, self.run.run_id
        first = f"{iso(told.begun)} INFO   0 % {stage.contract['summary']}"
        content = {
            **self.head(stage.name, told.begun),
            **told.describe(),
            "tries": [earlier.describe() for earlier in former or ()],
            "image_id": f"sha256:{sha256(stage.name.encode())}",
            "container_id": sha256(f"{run_id} {stage.name} {told.number}".encode()),
            "log_tail": [first, line] if line else [],
            "docker_run": self.docker_run(stage),
            "image": f"localhost/ad-click/{stage.name}:latest",
        }
        yield self.file(f"{stage.name}/task.json", to_json(content), told.ended)

    def head(self, task: str, queued: datetime) -> dict[str, Any]:
        """Return what every task.json starts with."""
        names = {"dag_id": DAG, "run_id": self.run.run_id, "task_id": task}
        return names | {"queued": iso(queued - timedelta(seconds=0.2))}

    def mail(self, task: str) -> File:
        """Return Airflow's note of a mail that was sent."""
        begun = self.clock
        self.clock += timedelta(seconds=0.04)
        content = {
            **self.head(task, begun),
            "try_number": 1,
            "state": "success",
            "started": iso(begun),
            "ended": iso(self.clock),
            "seconds": 0.04,
            "cause": None,
            "message": None,
            "tries": [],
            "to": "you@example.com",
            "subject": subject(self.run),
        }
        return self.file(f"{task}/task.json", to_json(content), self.clock)

    def progress(self, stage: Stage) -> File:
        """Return a stage's progress.json."""
        content = progress(self.run, stage.name, 0.1, "fitting", self.clock)
        return self.file(f"{stage.name}/progress.json", to_json(content), self.clock)

    def docker_run(self, stage: Stage) -> str:
        """Return the command that does by hand what the task did."""
        limits, network = stage.contract["resources"], stage.contract["network"]
        words = [
            "docker run --rm --init --read-only --cap-drop=ALL",
            "--security-opt=no-new-privileges:true",
            "--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=256m",
            f"--memory={limits['memory']} --memory-swap={limits['memory']}",
            f"--cpus={limits['cpus']:g} --pids-limit={limits['pids']}",
            f"--network={network if network == 'none' else f'ad-click_{network}'}",
            f"--env=OMP_NUM_THREADS={round(limits['cpus'])}",
            "--mount=type=bind,source=/srv/ad-click/shared_volume,target=/shared_volume",
            f"localhost/ad-click/{stage.name}:latest --run-id={self.run.run_id}",
        ]
        told = self.parameters(stage).items()
        return " ".join(words + [f"--{name.replace('_', '-')}={value}" for name, value in told])


def progress(
    run: PlannedRun, stage: str, fraction: float, message: str, moment: datetime
) -> dict[str, Any]:
    """Return the content of a progress.json."""
    content = {"stage": stage, "run_id": run.run_id, "fraction": fraction}
    return content | {"message": message, "updated": iso(moment)}


def subject(run: PlannedRun) -> str:
    """Return the subject of the mail about a run."""
    what = "run failed" if run.ending.code else "model published"
    return f"[ad-click] {what}: {run.run_id}"
