"""The stages by luigi: a task each, by its own docker runner, done when its report is there.

``python luigi_chain.py <plan.json>``; the plan has the volume, the run's id and the stages.
"""

import json
import sys
from pathlib import Path
from typing import Any

import luigi
from luigi.contrib.docker_runner import DockerTask

PLAN: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())


class Stage(DockerTask):
    """The stage at a place of the plan, after the one before it."""

    place = luigi.IntParameter()
    mount_tmp = False

    @property
    def told(self) -> dict[str, Any]:
        """What the plan says of it."""
        found: dict[str, Any] = PLAN["stages"][self.place]
        return found

    @property
    def image(self) -> str:
        """Its image."""
        return str(self.told["image"])

    @property
    def command(self) -> list[str]:
        """Its arguments."""
        return list(self.told["arguments"])

    @property
    def network_mode(self) -> str:
        """Its network."""
        return str(self.told["network"])

    @property
    def binds(self) -> list[str]:
        """The shared volume."""
        return [f"{PLAN['volume']}:/shared_volume"]

    @property
    def host_config_options(self) -> dict[str, Any]:
        """The walls."""
        return {"init": True, "read_only": True, "cap_drop": ["ALL"], "tmpfs": {"/tmp": ""}}

    def requires(self) -> list[luigi.Task]:
        """Return the stage before."""
        return [Stage(place=self.place - 1)] if self.place else []

    def output(self) -> luigi.LocalTarget:
        """Return its report."""
        folder = f"{PLAN['volume']}/runs/{PLAN['run_id']}/{self.told['stage']}"
        return luigi.LocalTarget(f"{folder}/report.json")


if __name__ == "__main__":
    last = Stage(place=len(PLAN["stages"]) - 1)
    sys.exit(not luigi.build([last], local_scheduler=True, log_level="WARNING"))
