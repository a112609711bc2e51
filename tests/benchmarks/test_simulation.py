"""The simulation: held to the theory of queues, and to what has to be so whatever the rates are."""

from __future__ import annotations

import heapq
import json
import math
from itertools import pairwise
from random import Random

import pytest

from results import FOLDER
from simulation import ASSUMED, rates_of, simulate_at_once, simulate_day, site_of
from simulation_charts import draw_charts
from simulation_model import (
    DAY,
    Arrivals,
    Simulation,
    Site,
    Tally,
    daily_arrivals,
    drawn,
    percentile,
    speed,
)
from simulation_tables import tables

RESULTS = json.loads((FOLDER / "results.json").read_text())


def rates():
    """Return the recorded rates: what was measured since then is not simulated yet."""
    return RESULTS["simulation"]["rates"]


def exponential(rate: float, work: float, runs: int, seed: int = 1) -> Arrivals:
    """Yield runs of one task, all times exponential."""
    random = Random(seed)
    moment = 0.0
    for _ in range(runs):
        moment += random.expovariate(rate)
        yield moment, [random.expovariate(1 / work)]


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def erlang_c(servers: int, load: float) -> float:
    """Return the share that waits in M/M/c (Erlang, 1917); ``load`` is arrivals times service."""
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(load**k / math.factorial(k) for k in range(servers)) + last)


SERVERS = pytest.mark.parametrize(("servers", "hosts"), [(1, 1), (4, 1), (2, 4)])


@SERVERS
def test_waits_are_those_of_erlangs_formula(servers, hosts):
    work, count = 2.0, servers * hosts
    load = 0.7 * count
    arrivals = exponential(load / work, work, 60_000, seed=3)
    tally = Simulation(Site(hosts, slots=servers)).simulate(arrivals)
    expected = erlang_c(count, load) * work / (count - load)
    assert mean(tally.waits) == pytest.approx(expected, rel=0.1)
    assert mean(tally.durations) == pytest.approx(expected + work, rel=0.05)


@SERVERS
def test_each_wait_is_that_of_the_next_free_server(servers, hosts):
    arrivals = list(exponential(0.45 * servers * hosts, 2.0, 2_000))
    tally = Simulation(Site(hosts, slots=servers)).simulate(arrivals)
    free, waits = [0.0] * (servers * hosts), []
    for moment, [work] in arrivals:
        start = max(moment, heapq.heappop(free))
        heapq.heappush(free, start + work)
        waits.append(start - moment)
    assert sorted(tally.waits) == pytest.approx(sorted(waits), abs=1e-6)


def test_shared_cpus_give_the_durations_of_processor_sharing():
    # M/M/1 with processor sharing: a run takes work / (1 - load) in the mean.
    tally = Simulation(Site(1, cpus=1.0)).simulate(exponential(0.35, 2.0, 60_000))
    assert mean(tally.durations) == pytest.approx(2.0 / (1 - 0.7), rel=0.1)
    assert max(tally.waits) == 0


def test_tasks_that_seldom_want_a_cpu_share_it_as_machines_share_a_repairman():
    # Two machines, one repairman, each broken for as long as it works: Palm's model by hand.
    # Weights 1, 2, 2: one is at work on a CPU for 4 / 5 of the time, where each alone wants 1 / 2.
    assert speed(2, 1, 0.5) == pytest.approx(0.8)
    assert speed(1, 1, 0.5) == pytest.approx(1.0)
    assert speed(2, 2, 0.5) == pytest.approx(1.0)


@pytest.mark.parametrize("share", [0.3, 0.74, 0.999, 1.0, 1.7])
def test_more_tasks_on_a_host_are_slower_and_never_use_more_cpus_than_there_are(share):
    speeds = [speed(tasks, 2, share) for tasks in range(1, 130)]
    assert all(more <= fewer + 1e-9 for fewer, more in pairwise(speeds))
    assert all(tasks * each * share <= 2 + 1e-9 for tasks, each in enumerate(speeds, 1))
    assert 4 * speed(4, 2, share) >= 2 * speed(2, 2, share)


def test_waits_at_a_server_of_constant_time_are_those_of_pollaczek_and_khinchine():
    # M/D/1: the mean wait is load * service / (2 (1 - load)).
    tally = Simulation(Site(1, servers={"scheduler": 2.0})).simulate(exponential(0.4, 1e-9, 60_000))
    assert mean(tally.waits) == pytest.approx(0.8 * 2.0 / (2 * 0.2), rel=0.1)


@pytest.mark.parametrize("until", [5_000.0, 50_000.0])
def test_every_run_has_finished_or_is_still_there(until):
    random = Random(3)
    arrivals = [(random.uniform(0, 40_000), [30.0, 60.0]) for _ in range(2_000)]
    simulation = Simulation(
        Site(2, slots=2, active_runs=6, crash_share=0.05, host_fails_every=5_000.0)
    )
    tally = simulation.simulate(sorted(arrivals), until)
    assert tally.asked == sum(moment < until for moment, _ in arrivals)
    assert tally.asked == len(tally.durations) + simulation.open
    assert tally.retries > 0


def test_runs_in_the_system_are_rate_times_duration():
    # Little's law.
    simulation = Simulation(Site(2, slots=2, cpus=1.5, active_runs=5))
    tally = simulation.simulate(exponential(0.9, 2.0, 30_000))
    passed = simulation.env.now
    rate, there = len(tally.durations) / passed, tally.run_seconds / passed
    assert there == pytest.approx(rate * mean(tally.durations), rel=1e-6)


def test_cpu_time_that_is_used_is_the_work_that_was_done():
    tally = Simulation(Site(2, slots=4, cpus=1.0, cpus_of_task=0.7)).simulate(
        [(0.5 * number, [3.0]) for number in range(200)]
    )
    assert math.fsum(tally.busy_cpu_seconds.values()) == pytest.approx(200 * 3.0 * 0.7)


def test_arrivals_of_a_day_are_as_many_as_asked_for_and_most_at_noon():
    moments = [moment for moment, _ in daily_arrivals(20_000, 0.8, 1, drawn([1.0], 0))]
    assert len(moments) == pytest.approx(20_000, rel=0.03)
    by_quarter = [
        sum(int(4 * moment // DAY) == quarter for moment in moments) for quarter in range(4)
    ]
    assert min(by_quarter[1:3]) > 2 * max(by_quarter[0], by_quarter[3])


def test_drawn_times_have_the_mean_and_the_spread_that_are_given():
    draw, random = drawn([5.0], 0.3), Random(1)
    times = [draw(random)[0] for _ in range(20_000)]
    assert mean(times) == pytest.approx(5.0, rel=0.02)
    assert mean([(each - 5.0) ** 2 for each in times]) ** 0.5 == pytest.approx(1.5, rel=0.05)


def test_one_run_alone_takes_its_tasks_and_the_steps_between_them():
    site = Site(1, slots=4, cpus=2.0, latency=0.1, servers={"scheduler": 0.05})
    tally = Simulation(site).simulate([(5.0, [1.0, 2.0])])
    assert tally.durations == [pytest.approx(3.2)]
    assert tally.waits == [0.0]


def test_more_active_runs_than_allowed_wait_at_the_gate():
    tally = Simulation(Site(1, active_runs=2)).simulate([(0.0, [10.0])] * 4)
    assert sorted(tally.durations) == [10.0, 10.0, 20.0, 20.0]


def test_lost_host_costs_its_tasks_a_try_and_the_others_nothing():
    site = Site(1, host_fails_every=50.0, host_back_after=30.0, failure_seen_after=20.0)
    tally = Simulation(site, seed=1).simulate([(0.0, [100.0])])
    assert tally.retries > 0
    assert tally.durations[0] > 100 + tally.retries * 30
    quiet = Simulation(Site(1), seed=1).simulate([(0.0, [100.0])])
    assert quiet.durations == [100.0]


def simulated(hosts: int, seed: int = 1) -> Tally:
    site = site_of(rates(), hosts, active_runs=math.inf, host_fails_every=math.inf)
    work = drawn(list(rates()["work"].values()), rates()["spread"])
    return Simulation(site, seed).simulate(daily_arrivals(3_000, ASSUMED["swing"], seed, work))


def test_more_hosts_are_never_slower_with_the_same_seed():
    p99 = [percentile(simulated(hosts).durations, 0.99) for hosts in (2, 4, 16, 64)]
    # Crashes are drawn in the order of the tasks' ends, which differs: no two sites crash the same.
    assert all(more <= 1.02 * fewer for fewer, more in pairwise(p99))


def test_same_seed_gives_the_same_runs_and_another_one_others():
    assert simulated(4) == simulated(4)
    assert simulated(4) != simulated(4, seed=2)


def test_site_that_is_asked_for_too_much_falls_behind_and_is_not_simulated():
    day = simulate_day(rates(), 10**7, 1)
    assert day["falls_behind"] > 0
    assert "seconds_p99" not in day


def test_one_run_is_as_long_as_the_measured_one():
    measured = RESULTS["simulation"]["validation"][0]["last_measured"]
    assert simulate_at_once(rates(), 1) == [pytest.approx(measured, rel=0.01)]


def test_smallest_day_of_the_record_is_what_its_rates_give():
    recorded = RESULTS["simulation"]["days"][0]
    day = simulate_day(rates(), recorded["runs"], recorded["hosts"])
    assert day["seconds_p99"] == pytest.approx(recorded["seconds_p99"], rel=1e-3)
    assert day["use"] == pytest.approx(recorded["use"], rel=1e-3)


def test_rates_come_from_the_record_of_the_spans_and_the_limits():
    spans = [["a", "schedule", 0.0, 0.2], ["a", "work", 0.2, 1.2]]
    spans += [["b", "schedule", 1.2, 1.4], ["b", "work", 1.4, 4.4]]
    parts = {"scheduler": 0.05, "API server": 0.1, "database": 0.01, "tasks": 0.3}
    results = {
        "pipeline": {"measured": {"stages": {"a": [1.0, 1.0, 1.0]}}},
        "limits": {
            "machine": {"cpus": 2},
            "runs_at_once": {"1": {"last_seconds": {"median": 8.4}, "parts_a_task": parts}},
            "stage_cpu_seconds": {"a": 0.5, "b": 1.5},
            "engine": {"1": {"cpu_seconds": {"all": [0.1, 0.2, 0.9]}}},
        },
    }
    found = rates_of(results, [{"spans": spans}])
    # Twice as long as recorded, as one run measured today is.
    assert found["work"] == pytest.approx({"a": 2.0, "b": 6.0})
    assert found["latency"] == pytest.approx(0.2)
    cpu = {"stages": 2.0, "engine": 0.4, "tasks": 0.6, "control": 0.32}
    assert found["cpu_seconds_of_run"] == pytest.approx(cpu)


def test_tables_are_those_of_the_record(monkeypatch, tmp_path):
    monkeypatch.setattr("simulation_charts.FOLDER", tmp_path)
    pictures = draw_charts(RESULTS["simulation"])
    assert tables(RESULTS["simulation"], pictures) in (FOLDER / "README.md").read_text()


def test_pictures_have_the_same_bytes_each_time(monkeypatch, tmp_path):
    made = []
    for name in ("first", "second"):
        monkeypatch.setattr("simulation_charts.FOLDER", tmp_path / name)
        (tmp_path / name).mkdir()
        made.append(
            [(tmp_path / name / path).read_bytes() for path in draw_charts(RESULTS["simulation"])]
        )
    assert made[0] == made[1]


def test_percentile_is_a_value_that_was_seen():
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
