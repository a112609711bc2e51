"""The other orchestrators get the same stages in the same order, behind the same walls."""

from __future__ import annotations

from typing import Any

import pytest

import measure
from chains import TOOLS, cwl_workflow, make_plan, tool_versions
from environment import BESIDE, pinned_versions
from orchestrators import airflow_version, ratios, table, without_network
from results import spread


@pytest.fixture
def plan(monkeypatch) -> dict[str, Any]:
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "some")
    monkeypatch.setenv("IMAGE_TAG", "latest")
    monkeypatch.setenv("SHARED_VOLUME", "/somewhere")
    return make_plan("demo")


def test_plan_says_what_the_plain_chain_does(plan) -> None:
    for told in plan["stages"]:
        command = measure.stage_command(told["stage"], "demo")
        assert told["image"] in command
        assert command[command.index(told["image"]) + 1 :] == told["arguments"]
        assert f"--network={told['network']}" in command
        assert f"--volume={plan['volume']}:/shared_volume" in command
    assert [told["stage"] for told in plan["stages"]] == list(measure.STAGES)


def test_each_cwl_step_waits_for_the_one_before(plan) -> None:
    steps = cwl_workflow(plan)["steps"]
    waits = [step["in"]["volume"] for step in steps.values()]
    assert waits == ["volume", *(f"{stage}/volume" for stage in measure.STAGES[:-1])]


def test_only_the_stage_that_asks_for_it_has_a_network_in_cwl(plan) -> None:
    steps = cwl_workflow(plan)["steps"].items()
    networks = {s: t["run"]["requirements"]["NetworkAccess"]["networkAccess"] for s, t in steps}
    assert [stage for stage, has in networks.items() if has] == ["trigger_flask_api"]
    assert set(without_network()) == set(measure.STAGES) - {"trigger_flask_api"}


@pytest.mark.parametrize("tool", TOOLS)
def test_each_tool_is_pinned(tool: str) -> None:
    assert tool_versions()[tool] == pinned_versions(BESIDE / f"{tool}.txt")[tool]


def test_a_ratio_is_the_median_of_the_turns_ratios() -> None:
    def took(*seconds: float) -> dict[str, Any]:
        return {"seconds": spread(seconds)}

    assert ratios({"plain": took(1, 2, 4), "luigi": took(3, 4, 4)}) == {"plain": 1, "luigi": 2}


def test_table_goes_from_the_quickest_to_the_slowest() -> None:
    way = {"seconds": spread([10.0, 12.0]), "busy_cpus": spread([1.25, 1.35])}
    results = {
        "date": "2026-01-01",
        "command": "python3 benchmarks/orchestrators.py",
        "machine": {"cpus": 2},
        "versions": {"luigi": "3", "airflow": airflow_version()},
        "repeats": 2,
        "stages": ["load_data"],
        "ways": {"luigi": way, "plain": way},
        "ratios": {"luigi": 1.5, "plain": 1.0},
    }
    assert "Meanwhile 1.3 CPUs were busy" in table(results)
    rows = table(results).splitlines()[-2:]
    assert rows[0].startswith("| plain `docker run` |  | 11.0 (10.0 to 12.0) | **1.00** |")
    assert rows[1].endswith("| 3 | 11.0 (10.0 to 12.0) | **1.50** |")
