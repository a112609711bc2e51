"""The pipeline as queues: runs of a chain of tasks, a control host, and hosts that tasks run on.

Simulated event by event with SimPy; nothing of it is measured here. A run waits until fewer runs
than ``active_runs`` are open. Each of its tasks then passes the control host (scheduler, API
server, database: each serves one task after the other, in a constant time), waits for a slot, and
works on a host. The hosts are one pool: tasks are spread over them evenly, and share the CPUs of
all alike. So a hundred thousand runs a day need no more events than their tasks.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

import simpy

DAY = 86400.0
HOUR = 3600.0
MANY = 100  # tasks on a host, from which on its CPUs are simply all busy
Steps = Generator[simpy.Event, Any, None]
# Of each run: when it is asked for, and the seconds that each of its tasks takes alone on a host.
Arrivals = Iterable[tuple[float, list[float]]]


@dataclass(frozen=True)
class Site:
    """What there is, and how quick it is. Seconds, unless the name says otherwise."""

    hosts: int
    slots: float = math.inf  # tasks at a time, a host
    cpus: float = math.inf  # of a host
    cpus_of_task: float = 1.0  # that a task alone keeps busy, in the mean of its time
    active_runs: float = math.inf
    latency: float = 0.0  # between two tasks where nothing else is to do
    servers: dict[str, float] = field(default_factory=dict)  # of the control host, for a task
    crash_share: float = 0.0  # of the tasks, which are tried again
    retry_delay: float = 10.0
    host_fails_every: float = math.inf
    host_back_after: float = 600.0
    failure_seen_after: float = 20.0


@dataclass
class Tally:
    """What was seen: of each finished run, and of each hour."""

    asked: int = 0
    durations: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    retries: int = 0
    crowded: int = 0  # how often a task waited for a slot, or began to work slowed down
    run_seconds: float = 0.0  # integral of the runs that are open
    tasks: dict[int, int] = field(default_factory=dict)
    busy_cpu_seconds: dict[int, float] = field(default_factory=dict)
    busy_slot_seconds: dict[int, float] = field(default_factory=dict)


@cache
def speed(tasks: int, cpus: float, share: float) -> float:
    """Return how quick each of some tasks on one host is, 1 where it never waits for a CPU.

    A task wants a CPU for ``share`` of its time, in turns with other things such as the disk, the
    engine or another service. That is the model of machines and repairmen (Palm, 1947): of
    ``tasks`` machines n are broken with a probability that grows by (tasks - n + 1) (share / (1 -
    share)) / min(n, cpus) from one n to the next. One that wants more than one CPU is slowed down
    by all that there is to do.
    """
    if share >= 1 or cpus < 1 or tasks > MANY:
        return min(1.0, cpus / (tasks * share))
    logarithms = [0.0]  # of the weights, which may be larger than a float holds
    for number in range(1, tasks + 1):
        grown = (tasks - number + 1) * share / (1 - share) / min(number, cpus)
        logarithms.append(logarithms[-1] + math.log(grown))
    weights = [math.exp(each - max(logarithms)) for each in logarithms]
    served = sum(weight * min(n, cpus) for n, weight in enumerate(weights)) / sum(weights)
    return served / share / tasks


class Pool:
    """The slots and CPUs of all hosts: tasks wait in their order, and work as CPUs allow.

    Where they wait for each other's CPUs, all are slowed down alike. ``clock`` is what one of them
    has worked so far: a task ends when it has moved by the task's work.
    """

    def __init__(self, env: simpy.Environment, site: Site, tally: Tally) -> None:
        self.env, self.site, self.tally = env, site, tally
        self.hosts = site.hosts
        self.clock = 0.0
        self.changed = 0.0
        self.working: list[tuple[float, int, simpy.Event, float]] = []
        self.waiting: deque[tuple[float, float, simpy.Event]] = deque()
        self.number = 0
        self.alarm: simpy.Event | None = None
        self.due = 0.0

    def work(self, seconds: float) -> simpy.Event:
        """Return the event of a task's end; its value tells the wait, and whether a host failed."""
        done = self.env.event()
        self.advance()
        self.waiting.append((self.env.now, seconds, done))
        self.proceed()
        return done

    @property
    def rate(self) -> float:
        """The speed of each task, 1 where there are CPUs enough."""
        if self.site.cpus == math.inf or not (self.working and self.hosts):
            return 1.0
        on_a_host = len(self.working) / self.hosts
        fewer, cpus, share = math.floor(on_a_host), self.site.cpus, self.site.cpus_of_task
        slower = speed(fewer + 1, cpus, share)
        return slower + (fewer + 1 - on_a_host) * (speed(max(1, fewer), cpus, share) - slower)

    def advance(self) -> None:
        """Bring the clock to now."""
        passed = self.env.now - self.changed
        if passed > 0:
            count, rate, hour = len(self.working), self.rate, int(self.changed // HOUR)
            cpu = passed * count * rate * self.site.cpus_of_task
            tally = self.tally
            tally.busy_cpu_seconds[hour] = tally.busy_cpu_seconds.get(hour, 0.0) + cpu
            slots = tally.busy_slot_seconds.get(hour, 0.0) + passed * count
            tally.busy_slot_seconds[hour] = slots
            self.clock += passed * rate
            self.changed = self.env.now

    def proceed(self) -> None:
        """Give free slots to who waits, and set the alarm for the next end."""
        while self.waiting and len(self.working) < self.site.slots * self.hosts:
            since, seconds, done = self.waiting.popleft()
            self.tally.crowded += self.env.now > since
            self.number += 1
            entry = (self.clock + seconds, self.number, done, self.env.now - since)
            heapq.heappush(self.working, entry)
        if self.working and (rate := self.rate):
            self.tally.crowded += rate < 1
            left = max(0.0, self.working[0][0] - self.clock) / rate
            due = self.env.now + left
            if self.alarm is None or abs(due - self.due) > 1e-9:
                self.alarm, self.due = self.env.timeout(left), due
                assert self.alarm.callbacks is not None
                self.alarm.callbacks.append(self.ring)

    def ring(self, alarm: simpy.Event) -> None:
        """End the task that is due; an alarm that a later one has replaced is none."""
        if alarm is not self.alarm:
            return
        self.alarm = None
        self.advance()
        end, _, done, waited = heapq.heappop(self.working)
        self.clock = max(self.clock, end)
        done.succeed((waited, False))
        self.proceed()

    def lose_host(self, random: Random) -> None:
        """Take a host away, and with it its share of the tasks."""
        self.advance()
        share = 1 / self.hosts
        self.hosts -= 1
        kept = []
        for entry in self.working:
            if random.random() < share:
                entry[2].succeed((entry[3], True))
            else:
                kept.append(entry)
        heapq.heapify(kept)
        self.working, self.alarm = kept, None
        self.proceed()

    def gain_host(self) -> None:
        """Give a host back."""
        self.advance()
        self.hosts += 1
        self.proceed()


class Simulation:
    """Runs on a site; ``tally`` knows afterwards how they went."""

    def __init__(self, site: Site, seed: int = 0) -> None:
        self.site = site
        self.env = simpy.Environment()
        self.tally = Tally()
        self.pool = Pool(self.env, site, self.tally)
        self.free_at = dict.fromkeys(site.servers, 0.0)
        self.open = 0
        self.changed = 0.0
        self.at_the_gate: deque[simpy.Event] = deque()
        self.random = Random(f"{seed} crashes")
        self.fate = Random(f"{seed} hosts")

    def simulate(self, arrivals: Arrivals, until: float = math.inf) -> Tally:
        """Return how the runs went, up to a moment or until all have finished."""
        ended = self.env.process(self.arrive(arrivals))
        if self.site.host_fails_every < math.inf:
            self.env.process(self.break_hosts())
        if until < math.inf:
            self.env.run(until=until)
        else:
            self.env.run(until=ended)
            while self.open:
                self.env.step()
        self.pool.advance()
        self.count(0)
        return self.tally

    def arrive(self, arrivals: Arrivals) -> Steps:
        """Start each run when it is asked for."""
        for moment, tasks in arrivals:
            yield self.env.timeout(moment - self.env.now)
            self.env.process(self.run(tasks))

    def run(self, tasks: list[float]) -> Steps:
        """Pass one run through the system."""
        asked = self.env.now
        waited = 0.0
        self.tally.asked += 1
        self.count(1)
        if self.open > self.site.active_runs:
            turn = self.env.event()
            self.at_the_gate.append(turn)
            yield turn
            waited += self.env.now - asked
        for seconds in tasks:
            while True:
                delay = self.pass_control()
                waited += delay
                yield self.env.timeout(delay + self.site.latency)
                in_line, lost = yield self.pool.work(seconds)
                waited += in_line
                crashed = bool(
                    self.site.crash_share and self.random.random() < self.site.crash_share
                )
                if not (lost or crashed):
                    break
                self.tally.retries += 1
                seen = self.site.failure_seen_after if lost else 0.0
                yield self.env.timeout(seen + self.site.retry_delay)
        self.count(-1)
        if self.at_the_gate:
            self.at_the_gate.popleft().succeed()
        self.tally.durations.append(self.env.now - asked)
        self.tally.waits.append(waited)

    def pass_control(self) -> float:
        """Return how long a task that comes now waits in line before the control host's servers.

        A line that is served in its order in a constant time needs no events of its own. The time
        in which a task is served is part of the latency.
        """
        hour = int(self.env.now // HOUR)
        self.tally.tasks[hour] = self.tally.tasks.get(hour, 0) + 1
        moment, in_line = self.env.now, 0.0
        for name, seconds in self.site.servers.items():
            start = max(moment, self.free_at[name])
            in_line += start - moment
            moment = self.free_at[name] = start + seconds
        return in_line

    def count(self, change: int) -> None:
        """Note that a run has come or gone."""
        self.tally.run_seconds += self.open * (self.env.now - self.changed)
        self.open += change
        self.changed = self.env.now

    def break_hosts(self) -> Steps:
        """Have hosts fail, each once in a while, and come back."""
        while True:
            every = self.site.host_fails_every / self.site.hosts
            yield self.env.timeout(self.fate.expovariate(1 / every))
            if self.pool.hosts:
                self.pool.lose_host(self.fate)
                self.env.process(self.repair())

    def repair(self) -> Steps:
        """Bring a host back."""
        yield self.env.timeout(self.site.host_back_after)
        self.pool.gain_host()


def daily_arrivals(
    runs: float, swing: float, seed: int, draw: Callable[[Random], list[float]]
) -> Iterator[tuple[float, list[float]]]:
    """Yield the runs of a day, Poisson with ``runs`` expected, most of them at noon.

    The rate is its mean times 1 - swing cos(2 pi t / day), ``swing`` from 0 to 1.
    """
    random, tasks = Random(f"{seed} arrivals"), Random(f"{seed} tasks")
    highest = runs / DAY * (1 + swing)
    moment = random.expovariate(highest)
    while moment < DAY:
        share = (1 - swing * math.cos(2 * math.pi * moment / DAY)) / (1 + swing)
        if random.random() < share:
            yield moment, draw(tasks)
        moment += random.expovariate(highest)


def drawn(seconds: list[float], spread: float) -> Callable[[Random], list[float]]:
    """Return what draws the seconds of a run's tasks: lognormal around the ones that are given.

    The given ones are the means; ``spread`` is the standard deviation over the mean.
    """
    sigma = math.sqrt(math.log(1 + spread**2))
    return lambda random: [
        each * math.exp(random.gauss(-(sigma**2) / 2, sigma)) if sigma else each for each in seconds
    ]


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
