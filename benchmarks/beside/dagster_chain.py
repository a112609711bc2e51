"""The stages by Dagster: an op each, by Pipes, its way to run an image that knows nothing of it.

``PLAN=<plan.json> dagster job execute -f dagster_chain.py -j pipeline``; the plan has the volume,
the run's id and the stages. The ops run in processes of their own, as is the command's default.
"""

import json
import os
from pathlib import Path
from typing import Any

import dagster
from dagster_docker import PipesDockerClient

PLAN: dict[str, Any] = json.loads(Path(os.environ["PLAN"]).read_text())


def make_op(told: dict[str, Any]) -> Any:
    """Return the op that runs a stage after another."""

    @dagster.op(name=told["stage"], ins={"before": dagster.In(dagster.Nothing)})
    def run_stage(context: dagster.OpExecutionContext, docker: PipesDockerClient) -> None:
        docker.run(
            context=context,
            image=told["image"],
            command=told["arguments"],
            container_kwargs={
                "init": True,
                "read_only": True,
                "cap_drop": ["ALL"],
                "tmpfs": {"/tmp": ""},
                "network": told["network"],
                "volumes": [f"{PLAN['volume']}:/shared_volume"],
                "labels": {PLAN["label"]: PLAN["run_id"]},
            },
        )

    return run_stage


@dagster.job(resource_defs={"docker": PipesDockerClient()})
def pipeline() -> None:
    """The stages in order."""
    before = None
    for told in PLAN["stages"]:
        run_stage = make_op(told)
        before = run_stage() if before is None else run_stage(before)
