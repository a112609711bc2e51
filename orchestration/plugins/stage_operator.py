"""StageOperator: a DockerOperator that runs one stage by its contract.

It adds what constructor arguments of DockerOperator can't do: limits that bite, a hardened
container, the cause of a failure by name, cleanup that leaves no container behind, taking over the
container of a try that Airflow's death cut off, and ``task.json``.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import shlex
import socket
import struct
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk import RetryDecision, RetryPolicy
from airflow.sdk.exceptions import AirflowException, AirflowTaskTimeout
from airflow.sdk.log import mask_secret
from docker.errors import APIError, DockerException, ImageNotFound
from docker.types import LogConfig, Mount
from urllib3.exceptions import HTTPError

from contracts import (
    command_line,
    image_name,
    network_of,
    project_name,
    queue_of,
    read_contract,
    read_exit_codes,
    settings_of,
)
from leftovers import GONE, remove, stop, sweep
from task_note import CUT_OFF, TaskNote

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

VOLUME = "/shared_volume"
LOG_TAIL = 20
MAILED_LINES = 10
LINE_LENGTH = 500
# How long the engine may be out of reach while a stage works: the proxy is back after a second.
PATIENCE_SECONDS = 60
# Exit codes of what was killed, by SIGKILL, SIGTERM or the engine's own end.
STOPPED = (137, 143, 255)
# What a connection to the engine breaks with; the last one is docker-py's, cut off in a frame.
BROKEN = (DockerException, HTTPError, OSError, struct.error)
# What task.json says of a container before it is made.
NOTHING_YET: dict[str, Any] = {
    "image_id": None,
    "container_id": None,
    "exit_code": None,
    "oom_killed": False,
    "log_tail": [],
    "docker_run": None,
}


class StageFailed(AirflowException):
    """A stage failed: its cause by name, one sentence, what to do, and whether to try again."""

    def __init__(
        self, cause: str, message: str, *, advice: str, retried: bool, exit_code: int | None = None
    ) -> None:
        super().__init__(f"{cause}: {message}")
        self.cause = cause
        self.message = message
        self.advice = advice
        self.retried = retried
        self.exit_code = exit_code


class RetryByCause(RetryPolicy):
    """Tries again only where another try can end otherwise."""

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        """Fail a cause that ``exit_codes.toml`` does not retry at once."""
        if isinstance(exception, StageFailed) and not exception.retried:
            return RetryDecision.fail(f"{exception.cause} is not retried")
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Return what the scheduler keeps of this policy; it has no settings."""
        return {}


class StageOperator(DockerOperator):
    """Runs the stage ``stage`` on the shared volume; the task is named like the stage.

    One that ``sweeps`` removes, after its own work, the containers that a crash left.
    """

    note: TaskNote

    def __init__(self, *, stage: str, sweeps: bool = False, **kwargs: Any) -> None:
        contract = read_contract(stage)
        self.stage = stage
        self.sweeps = sweeps
        self.resources_of_stage = contract["resources"]
        self.killed = False
        self.ended = False
        self.told = 0
        super().__init__(
            task_id=kwargs.pop("task_id", stage),
            doc_md=contract["summary"],
            image=image_name(stage),
            command=command_line(contract),
            network_mode=network_of(contract),
            mem_limit=contract["resources"]["memory"],
            execution_timeout=timedelta(seconds=contract["resources"]["timeout_seconds"]),
            retry_policy=RetryByCause(),
            mount_tmp_dir=False,
            queue=queue_of(stage, contract),
            **kwargs,
        )

    def execute(self, context: Context) -> dict[str, Any]:  # type: ignore[override]
        """Run the container and return the stage's summary, the last line of its output."""
        self.note = note = TaskNote(context, **NOTHING_YET, image=self.image)
        tail: deque[str] = deque(maxlen=LOG_TAIL)
        self.hide_secrets()
        try:
            self.container = self.take_over(context) or self.create(context)
            note.update(container_id=self.container["Id"])
            summary = self.summary_or_failure(self.follow(tail), tail)
            if parts := read_contract(self.stage).get("parts"):
                context["ti"].xcom_push("parts", {part: self.summary_of(part) for part in parts})
            for outlet in self.outlets:
                context["outlet_events"][outlet].extra = summary["metrics"]
        except (Exception, AirflowTaskTimeout) as error:
            failure = self.explain(error)
            if isinstance(error, AirflowTaskTimeout):
                self.hear_out(tail)
            self.log.error("%s: %s %s", failure.cause, failure.message, failure.advice)
            # Who has Airflow stop a task gives it its last state too: no other try follows.
            known = self.describe(failure) | {"retried": failure.retried and not self.killed}
            note.fail(**known, log_tail=list(tail))
            if failure.cause in CUT_OFF and note.content["state"] == "up_for_retry":
                self.container = None  # type: ignore[assignment]  # the next try takes it over
            # Of a crash nobody knows the cause: its mail has the last words.
            words = list(tail)[-MAILED_LINES:] if failure.cause == "crashed" else []
            told = {"task_id": self.task_id, **known, "last_words": [printable(w) for w in words]}
            context["ti"].xcom_push("failure", told)
            raise failure from None
        finally:
            self.remove()
        note.succeed(exit_code=0, log_tail=list(tail))
        if self.sweeps:
            self.sweep(context)
        return summary

    def take_over(self, context: Context) -> dict[str, Any] | None:
        """Return the container of an earlier try that was cut off, at work or with its result.

        Airflow or the proxy died, the container did not. One that nobody waits for, or that ended
        because it was stopped, is removed.
        """
        mine = self.labels_of(context)
        mine.pop("ad-click.try")
        labels = [f"{name}={value}" for name, value in mine.items()]
        found = None
        for container in self.cli.containers(all=True, filters={"label": labels}):
            known = self.cli.inspect_container(container["Id"])
            state, earlier = known["State"], container["Labels"]["ad-click.try"]
            same_work = (
                known["Config"]["Cmd"] == self.command and known["Config"]["Image"] == self.image
            )
            if found is None and self.note.cut_off and same_work and worth_waiting_for(state):
                self.log.info(
                    "taking over container %s of try %s, which is %s; its output from the start:",
                    *(container["Id"], earlier, state["Status"]),
                )
                found = container
                self.note.update(
                    image_id=known["Image"],
                    docker_run=self.by_hand(self.volume_source(), self.environment_of_stage()),
                )
            else:
                self.log.warning("removing container %s of try %s", container["Id"], earlier)
                remove(self.cli, container["Id"], self.log.warning)
        return found

    def create(self, context: Context) -> dict[str, Any]:
        """Create the container from an image that is there; nothing is ever pulled."""
        source, environment = self.volume_source(), self.environment_of_stage()
        self.note.update(docker_run=self.by_hand(source, environment))
        try:
            container: dict[str, Any] = self.cli.create_container(
                image=self.image,
                command=self.command,
                environment=environment,
                labels=self.labels_of(context),
                host_config=self.cli.create_host_config(**self.host_config(source)),
                name=self.name_of(context),
            )
        except ImageNotFound:
            raise StageFailed(
                "image missing",
                f"the image {self.image} is not built on this Docker engine",
                advice="Build it with: make images; that of build_model_spark with: make spark",
                retried=False,
            ) from None
        return container

    def name_of(self, context: Context) -> str:
        """Return the container's name, which no other try has: the engine refuses a second one."""
        labels = self.labels_of(context)
        digest = hashlib.sha256("\n".join(labels.values()).encode()).hexdigest()[:12]
        return f"{labels['ad-click.project']}-{self.stage}-{digest}"

    def environment_of_stage(self) -> dict[str, str]:
        """Return the container's environment: the settings that its contract asks for.

        And no more threads than it has CPUs.
        """
        threads = str(max(1, round(self.resources_of_stage["cpus"])))
        return {"OMP_NUM_THREADS": threads, **settings_of(read_contract(self.stage))}

    def hide_secrets(self) -> None:
        """Have Airflow mask the secrets of the container in the task's log, should it print one."""
        environment = self.environment_of_stage()
        for name in read_contract(self.stage).get("secrets", ()):
            if name in environment:
                mask_secret(environment[name])

    def summary_of(self, part: str) -> dict[str, Any]:
        """Return the metrics in the report of a stage whose work this one did."""
        report = json.loads((self.note.run_folder / part / "report.json").read_text())
        return {"metrics": report["metrics"]}

    def volume_source(self) -> str:
        """Return the host's side of the shared volume: that of this very container's mount."""
        own = self.cli.inspect_container(socket.gethostname())
        for mount in own["Mounts"]:
            if mount["Destination"] == VOLUME:
                return str(mount["Source"])
        raise StageFailed(
            "volume not mounted",
            f"the container that runs the tasks has no mount at {VOLUME}",
            advice="Check SHARED_VOLUME in .env, then: make up",
            retried=False,
        )

    def host_config(self, source: str) -> dict[str, Any]:
        """Return the limits and walls of the container."""
        limits = self.resources_of_stage
        return {
            "mounts": [Mount(VOLUME, source, "bind")],
            "network_mode": self.network_mode,
            "mem_limit": limits["memory"],
            "memswap_limit": limits["memory"],  # the same: no swap beside the memory
            "nano_cpus": round(limits["cpus"] * 1e9),
            "pids_limit": limits["pids"],
            "init": True,
            "read_only": True,
            "tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=256m"},
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "log_config": LogConfig(type="json-file", config={"max-size": "10m", "max-file": "2"}),
        }

    def labels_of(self, context: Context) -> dict[str, str]:
        """Return the labels that tell whose container this is."""
        ti = context["ti"]
        return {
            "ad-click.project": project_name(),
            "ad-click.stage": self.stage,
            "ad-click.dag": ti.dag_id,
            "ad-click.run": ti.run_id,
            "ad-click.task": ti.task_id,
            "ad-click.try": str(ti.try_number),
        }

    def by_hand(self, source: str, environment: dict[str, str]) -> str:
        """Return the ``docker run`` command that does exactly what this task does."""
        config = self.host_config(source)
        words = ["docker", "run", "--rm", "--init", "--read-only", "--cap-drop=ALL"]
        words += [f"--security-opt={option}" for option in config["security_opt"]]
        words += [f"--tmpfs={path}:{options}" for path, options in config["tmpfs"].items()]
        words += [f"--memory={config['mem_limit']}", f"--memory-swap={config['memswap_limit']}"]
        words += [f"--cpus={config['nano_cpus'] / 1e9:g}", f"--pids-limit={config['pids_limit']}"]
        words += [f"--network={self.network_mode}"]
        # Of a secret the name: docker takes its value from whoever runs the command.
        secrets = read_contract(self.stage).get("secrets", ())
        words += [
            f"--env={name}" if name in secrets else f"--env={name}={value}"
            for name, value in environment.items()
        ]
        words += [f"--mount=type=bind,source={source},target={VOLUME}", self.image]
        words += self.command or []
        return shlex.join(words)

    def follow(self, tail: deque[str]) -> dict[str, Any]:
        """Pass the output to the task's log and to ``tail``; return the state that it ends in.

        A connection that breaks is made again, and what was missed is read then. An engine that
        does not answer for PATIENCE_SECONDS is an error.
        """
        deadline = None
        while True:
            try:
                if self.state_of_container()["Status"] == "created":
                    self.cli.start(self.container["Id"])
                    if self.killed:  # meanwhile: on_kill found nothing to stop
                        self.stop()
                output = self.cli.logs(self.container["Id"], stream=True, follow=True)
                for number, line in enumerate(whole_lines(output)):
                    if number >= self.told:
                        self.log.info("%s", line.rstrip())
                        tail.append(line.rstrip())
                        self.told += line.endswith("\n")  # one that was cut off comes again
                    deadline = None
                state = self.state_of_container()
                if not state["Running"]:
                    self.ended = True
                    return state
            except BROKEN as error:
                refused = isinstance(error, APIError) and error.status_code != 503
                deadline = deadline or time.monotonic() + PATIENCE_SECONDS
                if refused or self.killed or time.monotonic() > deadline:
                    raise
                self.log.warning("the engine does not answer, trying again: %s", error)
                time.sleep(1)
            time.sleep(0.05)

    def hear_out(self, tail: deque[str]) -> None:
        """Stop a container whose time is over, and pass on what it had said and says to that."""
        try:
            if self.has_container and self.state_of_container()["Status"] != "created":
                self.stop()
                self.follow(tail)
        except BROKEN as error:
            self.log.warning("the last lines of %s could not be read: %s", self.stage, error)

    def state_of_container(self) -> dict[str, Any]:
        """Return what the engine says of the container's state; the note learns its image."""
        known = self.cli.inspect_container(self.container["Id"])
        if self.note.content.get("image_id") is None:
            self.note.update(image_id=known["Image"])
        state: dict[str, Any] = known["State"]
        return state

    def summary_or_failure(self, state: Mapping[str, Any], tail: Sequence[str]) -> dict[str, Any]:
        """Return the summary that the stage left, or raise the failure by its cause."""
        exit_code = state["ExitCode"]
        summary = last_summary(tail, self.stage)
        if exit_code == 0 and summary:
            return summary
        codes = read_exit_codes()
        cause = exit_code
        if state["OOMKilled"]:
            limit = self.resources_of_stage["memory"]
            cause, message = 137, f"{self.stage} needed more than its limit of {limit}"
        elif exit_code in STOPPED:
            cause, message = 143, "a person or the engine stopped the container"
        elif summary and summary["error"] and exit_code in codes:
            message = summary["error"]["message"]
        elif exit_code == 0:
            raise StageFailed(
                "contract broken",
                "the container ended well, but its last line is not the summary of a stage",
                advice="Let the image start stage.py, and nothing print after it.",
                retried=False,
                exit_code=exit_code,
            )
        else:
            cause, message = 70, f"the container ended with exit code {exit_code} and no summary"
            message += f"; its last line: {printable(tail[-1])}" if tail else ""
        raise StageFailed(**codes[cause], message=message, exit_code=exit_code)

    def explain(self, error: BaseException) -> StageFailed:
        """Return any error as the failure that it is, with its cause by name."""
        if isinstance(error, StageFailed):
            return error
        if isinstance(error, AirflowTaskTimeout):
            limit = self.resources_of_stage["timeout_seconds"]
            return StageFailed(
                "timed out",
                f"{self.stage} was stopped after {limit} seconds",
                advice="Raise `timeout_seconds` under [resources] in the stage's stage.toml.",
                retried=True,
            )
        # 503 is the proxy's own answer, where the engine gives none.
        if isinstance(error, APIError) and error.status_code != 503:
            return StageFailed(
                "Docker refused",
                f"the engine did not accept the container: {error.explanation or error}",
                advice="See the engine's message; `make status` shows the services.",
                retried=True,
            )
        if isinstance(error, BROKEN) or "Docker host" in str(error):
            return StageFailed(
                "Docker unreachable",
                f"the Docker engine does not answer at {self.docker_url}: {error}",
                advice="Check that the engine and the service docker-proxy run: make status",
                retried=True,
            )
        return StageFailed(
            "crashed",
            f"StageOperator itself failed with {type(error).__name__}: {error}",
            advice="Read the task's log.",
            retried=True,
        )

    @staticmethod
    def describe(failure: StageFailed) -> dict[str, Any]:
        """Return a failure as ``task.json`` and the mail hold it."""
        return {
            "cause": failure.cause,
            "message": failure.message,
            "advice": failure.advice,
            "exit_code": failure.exit_code,
            "oom_killed": failure.cause == "out of memory",
            "retried": failure.retried,
        }

    @property
    def has_container(self) -> bool:
        """Whether there is a container that no later try has taken over."""
        return bool(self.container) and not self.note.overtaken

    def remove(self) -> None:
        """Stop and remove the container, unless a later try has taken it over."""
        if self.has_container:
            remove(self.cli, self.container["Id"], self.log.warning, ended=self.ended)
        self.container = None  # type: ignore[assignment]

    def stop(self) -> None:
        """Ask the container to end."""
        stop(self.cli, self.container["Id"], self.log.warning)

    def sweep(self, context: Context) -> None:
        """Remove the containers of this project whose tasks are over, whatever run they are of."""

        def state_of(dag: str, run: str, task: str) -> str | None:
            states = context["ti"].get_task_states(dag_id=dag, run_ids=[run], task_ids=[task])
            state: str | None = states.get(run, {}).get(task, GONE)
            return state

        try:
            sweep(self.cli, state_of, self.log.warning)
        except Exception as error:
            # The stage has done its work: that a broken try left something must not undo it.
            self.log.warning("containers left by others could not be looked for: %s", error)

    def on_kill(self) -> None:
        """Stop the container; ``execute``, which then sees its end, does the rest."""
        self.killed = True
        if self.has_container:
            self.log.info("stopping container %s", self.container["Id"])
            self.stop()


def worth_waiting_for(state: Mapping[str, Any]) -> bool:
    """Return whether a container is to do its work, does it, or has ended by its own doing."""
    if state["Status"] in ("created", "running", "paused"):
        return True
    by_itself = state["OOMKilled"] or state["ExitCode"] not in STOPPED
    return state["Status"] == "exited" and by_itself


def whole_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a stream as each is complete; the stream is cut anywhere, also in one.

    Each keeps its line end, which the last one may lack.
    """
    rest = ""
    for text in codecs.iterdecode(chunks, "utf-8", errors="replace"):
        *lines, rest = (rest + text).split("\n")
        yield from (f"{line}\n" for line in lines)
    if rest:
        yield rest


def printable(text: str) -> str:
    """Return the start of a text of any length, with nothing in it that is not for reading."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:LINE_LENGTH])


def last_summary(lines: Sequence[str], stage: str) -> dict[str, Any] | None:
    """Return the summary in the last line of a stage's output, or None where it left none."""
    try:
        summary = json.loads(lines[-1])
    except (IndexError, ValueError):
        return None
    return summary if isinstance(summary, dict) and summary.get("stage") == stage else None
