"""The same stages in the same order by other orchestrators, each in the way that is its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environment import BESIDE, make_environment, pinned_versions
from measure import ROOT, STAGES, container_seconds, docker, forced, stage_command

LABEL = "ad-click.benchmark"
TOOLS = ("luigi", "cwltool", "dagster")
Plan = dict[str, Any]


def make_plan(run_id: str, stages: tuple[str, ...] = STAGES) -> Plan:
    """Return what all need to know of a run, as measure.py's plain chain has it."""
    told = []
    for stage in stages:
        contract = tomllib.loads((ROOT / "images" / stage / "stage.toml").read_text())
        network = contract["network"]
        if network != "none":
            network = f"{os.environ['COMPOSE_PROJECT_NAME']}_{network}"
        image = f"localhost/ad-click/{stage}:{os.environ['IMAGE_TAG']}"
        arguments = ["--run-id", run_id, *forced(contract)]
        told.append({"stage": stage, "image": image, "network": network, "arguments": arguments})
    volume = str((ROOT / os.environ["SHARED_VOLUME"]).resolve())
    return {"volume": volume, "run_id": run_id, "label": LABEL, "stages": told}


def cwl_workflow(plan: Plan) -> dict[str, Any]:
    """Return the workflow in the Common Workflow Language, v1.2.

    Each step changes the volume in place and hands it on to the next one.
    """
    steps: dict[str, Any] = {}
    volume = "volume"
    for told in plan["stages"]:
        steps[told["stage"]] = {
            "run": cwl_tool(told),
            "in": {"volume": volume, "run_id": "run_id"},
            "out": ["volume", "said"],
        }
        volume = f"{told['stage']}/volume"
    return {
        "cwlVersion": "v1.2",
        "class": "Workflow",
        "inputs": {"volume": "Directory", "run_id": "string"},
        "outputs": {"said": {"type": "File", "outputSource": volume.replace("volume", "said")}},
        "steps": steps,
    }


def cwl_tool(told: dict[str, Any]) -> dict[str, Any]:
    """Return a stage as a tool of the Common Workflow Language."""
    volume = {"entry": "$(inputs.volume)", "entryname": "volume", "writable": True}
    return {
        "class": "CommandLineTool",
        "requirements": {
            "DockerRequirement": {"dockerImageId": told["image"], "dockerPull": told["image"]},
            "EnvVarRequirement": {"envDef": {"SHARED_VOLUME": "$(runtime.outdir)/volume"}},
            "InitialWorkDirRequirement": {"listing": [volume]},
            "InplaceUpdateRequirement": {"inplaceUpdate": True},
            "LoadListingRequirement": {"loadListing": "no_listing"},
            "NetworkAccess": {"networkAccess": told["network"] != "none"},
        },
        "inputs": {"volume": "Directory", "run_id": "string"},
        "arguments": told["arguments"],
        "stdout": f"{told['stage']}.txt",
        "outputs": {
            "volume": {"type": "Directory", "outputBinding": {"glob": "volume"}},
            "said": "stdout",
        },
    }


@dataclass(frozen=True)
class Chains:
    """Runs the stages by each tool; their environments stand below ``folder``."""

    folder: Path
    stages: tuple[str, ...]

    def install(self) -> None:
        """Make the environments."""
        for tool in TOOLS:
            make_environment(self.folder / tool, BESIDE / f"{tool}.txt")

    def plain_seconds(self) -> float:
        """Return the seconds of the containers by plain ``docker run``, one after the other."""
        plan = self.new_plan()
        seconds = sum(container_seconds(stage_command(s, plan["run_id"])) for s in self.stages)
        self.finish(plan)
        return seconds

    def tool_seconds(self, tool: str) -> float:
        """Return the seconds of a tool's command, from its start to its end."""
        plan = self.new_plan()
        (self.folder / "plan.json").write_text(json.dumps(plan))
        command = {"luigi": self.luigi, "cwltool": self.cwltool, "dagster": self.dagster}[tool](
            plan
        )
        variables = os.environ | {
            "PLAN": str(self.folder / "plan.json"),
            "DAGSTER_HOME": str(self.folder / "dagster_home"),
            "PATH": f"{self.folder / tool / 'bin'}:{os.environ['PATH']}",
        }
        start = time.monotonic()
        done = subprocess.run(
            command, cwd=self.folder, env=variables, capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - start
        if done.returncode:
            sys.exit(f"error: {tool}: {done.stdout[-1500:]}{done.stderr[-3000:]}")
        self.finish(plan)
        return seconds

    def luigi(self, _: Plan) -> list[str]:
        """Return luigi's command."""
        program = str(BESIDE / "luigi_chain.py")
        return [str(self.folder / "luigi/bin/python"), program, str(self.folder / "plan.json")]

    def dagster(self, _: Plan) -> list[str]:
        """Return Dagster's command; its storage is SQLite, as by default, and it reports no use."""
        home = self.folder / "dagster_home"
        home.mkdir(exist_ok=True)
        (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        program = str(BESIDE / "dagster_chain.py")
        return [
            str(self.folder / "dagster/bin/dagster"),
            *("job", "execute", "-f", program, "-j", "pipeline"),
        ]

    def cwltool(self, plan: Plan) -> list[str]:
        """Return cwltool's command; the workflow is written beside it."""
        workflow, order = self.folder / "workflow.cwl", self.folder / "order.json"
        workflow.write_text(json.dumps(cwl_workflow(plan), indent=2))
        volume = {"class": "Directory", "path": plan["volume"]}
        order.write_text(json.dumps({"volume": volume, "run_id": plan["run_id"]}))
        networks = {told["network"] for told in plan["stages"]} - {"none"}
        return [
            *(str(self.folder / "cwltool/bin/cwltool"), "--quiet", "--disable-pull"),
            *("--enable-ext", "--relax-path-checks", "--tmpdir-prefix", f"{self.folder}/tmp/"),
            *(f"--custom-net={network}" for network in networks),
            *("--outdir", str(self.folder / "cwl_out"), str(workflow), str(order)),
        ]

    def new_plan(self) -> Plan:
        """Return the plan of a new run."""
        return make_plan(f"bench-{time.time_ns()}", self.stages)

    def finish(self, plan: Plan) -> None:
        """Check that each stage succeeded and remove what the run and the tool left."""
        volume = Path(plan["volume"])
        folder = volume / "runs" / plan["run_id"]
        for told in plan["stages"]:
            report = json.loads((folder / told["stage"] / "report.json").read_text())
            if report["status"] not in ("done", "up to date"):
                sys.exit(f"error: {told['stage']}: {report['error']}")
        shutil.rmtree(folder)
        if left := docker("ps", "-aq", f"--filter=label={LABEL}={plan['run_id']}").split():
            docker("rm", *left)
        # cwltool runs containers as who calls it; the stages' own user must own what is published.
        if os.geteuid() == 0:
            owner = int(os.environ["PIPELINE_UID"]), int(os.environ["PIPELINE_GID"])
            for path in (volume / "model").rglob("*"):
                os.chown(path, *owner, follow_symlinks=False)


def tool_versions() -> dict[str, str]:
    """Return the version of each tool, as its file of requirements pins it."""
    return {tool: pinned_versions(BESIDE / f"{tool}.txt")[tool] for tool in TOOLS}
