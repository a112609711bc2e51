"""StageOperator: a DockerOperator that runs one stage by its contract.

It adds what constructor arguments of DockerOperator can't do: limits that bite, a hardened
container, the cause of a failure by name, cleanup that leaves no container behind, and
``task.json``.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.docker.operators.docker import DockerOperator, fetch_logs
from airflow.sdk import RetryDecision, RetryPolicy
from airflow.sdk.exceptions import AirflowException, AirflowTaskTimeout
from docker.errors import APIError, DockerException, NotFound
from docker.types import LogConfig, Mount

from contracts import command_line, image_name, network_name, read_contract, read_exit_codes
from task_note import TaskNote

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

VOLUME = "/shared_volume"
LOG_TAIL = 20
# The supervisor kills this process five seconds after asking it to stop: the container gets less.
STOP_SECONDS = 3


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
    """Runs the stage ``stage`` on the shared volume; the task is named like the stage."""

    def __init__(self, *, stage: str, **kwargs: Any) -> None:
        contract = read_contract(stage)
        self.stage = stage
        self.resources_of_stage = contract["resources"]
        super().__init__(
            task_id=kwargs.pop("task_id", stage),
            doc_md=contract["summary"],
            image=image_name(stage),
            command=command_line(contract),
            network_mode=network_name(contract.get("network", "none")),
            mem_limit=contract["resources"]["memory"],
            execution_timeout=timedelta(seconds=contract["resources"]["timeout_seconds"]),
            retry_policy=RetryByCause(),
            mount_tmp_dir=False,
            **kwargs,
        )

    def execute(self, context: Context) -> dict[str, Any]:  # type: ignore[override]
        """Run the container and return the stage's summary, the last line of its output."""
        note = TaskNote(context)
        lines: list[str] = []
        try:
            self.create(context, note)
            self.follow(lines)
            summary = self.summary_or_failure(lines)
        except (Exception, AirflowTaskTimeout) as error:
            failure = self.explain(error)
            note.fail(**self.describe(failure), log_tail=lines[-LOG_TAIL:])
            context["ti"].xcom_push("failure", {"task_id": self.task_id, **self.describe(failure)})
            self.log.error("%s: %s %s", failure.cause, failure.message, failure.advice)
            raise failure from None
        finally:
            self.remove()
        note.succeed(exit_code=0, oom_killed=False, log_tail=lines[-LOG_TAIL:])
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = summary["metrics"]
        return summary

    def create(self, context: Context, note: TaskNote) -> None:
        """Create the container from an image that is there; nothing is ever pulled."""
        images = self.cli.images(name=self.image)
        if not images:
            raise StageFailed(
                "image missing",
                f"the image {self.image} is not built on this Docker engine",
                advice="Build it with: make images",
                retried=False,
            )
        source = self.volume_source()
        environment = {"OMP_NUM_THREADS": str(max(1, round(self.resources_of_stage["cpus"])))}
        self.container = self.cli.create_container(
            image=self.image,
            command=self.command,
            environment=environment,
            labels=self.labels_of(context),
            host_config=self.cli.create_host_config(**self.host_config(source)),
        )
        note.update(
            image=self.image,
            image_id=images[0]["Id"],
            container_id=self.container["Id"],
            docker_run=self.by_hand(source, environment),
        )

    def volume_source(self) -> str:
        """Return the host's side of the shared volume: that of this very container's mount."""
        own = self.cli.inspect_container(socket.gethostname())
        for mount in own["Mounts"]:
            if mount["Destination"] == VOLUME:
                return str(mount["Source"])
        raise StageFailed(
            "volume not mounted",
            f"the scheduler's container has no mount at {VOLUME}",
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
            "ad-click.project": os.environ.get("COMPOSE_PROJECT_NAME", "ad-click"),
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
        words += [f"--env={name}={value}" for name, value in environment.items()]
        words += [f"--mount=type=bind,source={source},target={VOLUME}", self.image]
        words += self.command or []
        return shlex.join(words)

    def follow(self, lines: list[str]) -> None:
        """Start the container; pass its output to the task's log and to ``lines`` until it ends."""
        stream = self.cli.attach(self.container["Id"], stdout=True, stderr=True, stream=True)
        self.cli.start(self.container["Id"])
        lines += fetch_logs(stream, self.log)

    def summary_or_failure(self, lines: list[str]) -> dict[str, Any]:
        """Return the summary that the stage left, or raise the failure by its cause."""
        code = self.cli.wait(self.container["Id"])["StatusCode"]
        summary = last_summary(lines, self.stage)
        if code == 0 and summary:
            return summary
        codes = read_exit_codes()
        limits = self.resources_of_stage
        oom_killed = self.cli.inspect_container(self.container["Id"])["State"]["OOMKilled"]
        if oom_killed:
            code, message = 137, f"{self.stage} needed more than its limit of {limits['memory']}"
        elif code in (137, 143):
            code, message = 143, "a person or the engine stopped the container"
        elif summary and summary["error"]:
            message = summary["error"]["message"]
        else:
            message = f"the container ended with exit code {code} and left no report"
            message += f"; its last line: {lines[-1]}" if lines else ""
            code = 70
        entry = codes.get(code, codes[70])
        raise StageFailed(
            entry["cause"],
            message,
            advice=entry["advice"],
            retried=entry["retried"],
            exit_code=code,
        )

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
        if isinstance(error, APIError):
            return StageFailed(
                "Docker refused",
                f"the engine did not accept the container: {error.explanation or error}",
                advice="See the engine's message; `make status` shows the services.",
                retried=True,
            )
        if isinstance(error, DockerException | OSError) or "Docker host" in str(error):
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
            "oom_killed": failure.exit_code == 137,
            "retried": failure.retried,
        }

    def remove(self) -> None:
        """Remove the container, running or not."""
        if self.container:
            try:
                self.cli.remove_container(self.container["Id"], force=True, v=True)
            except NotFound:
                pass
            except (DockerException, OSError) as error:
                self.log.warning("container %s is left behind: %s", self.container["Id"], error)
            self.container = None  # type: ignore[assignment]

    def on_kill(self) -> None:
        """Stop the container; ``execute``, which then sees its end, does the rest."""
        if self.container:
            self.log.info("stopping container %s", self.container["Id"])
            self.cli.stop(self.container["Id"], timeout=STOP_SECONDS)


def last_summary(lines: list[str], stage: str) -> dict[str, Any] | None:
    """Return the summary in the last line of a stage's output, or None where it left none."""
    try:
        summary = json.loads(lines[-1])
    except (IndexError, ValueError):
        return None
    return summary if isinstance(summary, dict) and summary.get("stage") == stage else None
