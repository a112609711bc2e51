"""Measure what the stack costs while nothing runs: CPU and memory of each service.

``make bench ARGS="idle"`` runs this on the stack that is up, and writes results.json and the table
of README.md. The engine's own counters are read before and after; the CPU of health checks is in
them, that of the engine itself is not.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

from docker import APIClient

from results import origin, save

AIM_PERCENT = 15
AIM_BYTES = 1.2e9


def read_counters(client: APIClient) -> dict[str, dict[str, float]]:
    """Return of each service its seconds of CPU so far, and its bytes of memory now."""
    project = os.environ["COMPOSE_PROJECT_NAME"]
    counters = {}
    for container in client.containers(filters={"label": f"com.docker.compose.project={project}"}):
        told = client.stats(container["Id"], stream=False, one_shot=True)
        counters[container["Labels"]["com.docker.compose.service"]] = {
            "at": time.monotonic(),
            "cpu": told["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
            "memory": memory_of(told["memory_stats"]),
        }
    return counters


def memory_of(told: dict[str, Any]) -> float:
    """Return a container's bytes of memory as ``docker stats`` shows them: without unused cache."""
    details = told["stats"]
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))  # cgroups v1, v2
    return float(told["usage"] - cache)


def services_between(
    before: dict[str, dict[str, float]], after: dict[str, dict[str, float]]
) -> dict[str, dict[str, float]]:
    """Return of each service its CPU in percent of one core, and its bytes of memory at the end."""
    return {
        service: {
            "cpu_percent": 100
            * (after[service]["cpu"] - counted["cpu"])
            / (after[service]["at"] - counted["at"]),
            "memory_bytes": after[service]["memory"],
        }
        for service, counted in sorted(before.items())
    }


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    lines = [
        f"Measured on {results['date']}, {results['machine']['cpus']} CPUs, over "
        f"{results['seconds']} s in which no task ran.",
        "",
        "| service | CPU, % of one core | memory, MB |",
        "| --- | --- | --- |",
    ]
    lines += [
        f"| `{name}` | {used['cpu_percent']:.1f} | {used['memory_bytes'] / 1e6:.0f} |"
        for name, used in results["services"].items()
    ]
    lines += [
        f"| all | **{results['cpu_percent']:.1f}** | **{results['memory_bytes'] / 1e6:.0f}** |",
        f"| aim | {AIM_PERCENT} | {AIM_BYTES / 1e6:.0f} |",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--dry", action="store_true", help="print the table and write nothing")
    arguments = parser.parse_args()
    client = APIClient(version="auto")
    before = read_counters(client)
    time.sleep(arguments.seconds)
    services = services_between(before, read_counters(client))
    results = {
        **origin(),
        "seconds": arguments.seconds,
        "cpu_percent": sum(used["cpu_percent"] for used in services.values()),
        "memory_bytes": sum(used["memory_bytes"] for used in services.values()),
        "services": services,
    }
    if not arguments.dry:
        save("idle", results, table(results))
    print(table(results))


if __name__ == "__main__":
    main()
