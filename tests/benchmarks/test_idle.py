"""What the stack costs while nothing runs, from counters that are invented."""

from __future__ import annotations

import pytest

from idle import memory_of, services_between


@pytest.mark.parametrize("cache", ["total_inactive_file", "inactive_file"])  # cgroups v1, v2
def test_memory_is_without_the_cache_that_nobody_uses(cache):
    assert memory_of({"usage": 1000, "stats": {cache: 300, "active_file": 100}}) == 700


def test_cpu_is_in_percent_of_one_core_over_each_services_own_time():
    before = {"a": {"at": 1.0, "cpu": 5.0, "memory": 1}, "b": {"at": 2.0, "cpu": 0.0, "memory": 2}}
    after = {"a": {"at": 11.0, "cpu": 6.0, "memory": 3}, "b": {"at": 22.0, "cpu": 5.0, "memory": 4}}
    assert services_between(before, after) == {
        "a": {"cpu_percent": 10.0, "memory_bytes": 3},
        "b": {"cpu_percent": 25.0, "memory_bytes": 4},
    }
