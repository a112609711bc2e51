"""What docs/scaling.md works out from figures, with figures that are invented."""

from __future__ import annotations

import pytest

import scaling_tables
from limits_tables import container_cpu

WAYS = {
    10**7: {"ours": {"seconds": {"median": 40.0}, "bytes_written_per_row": 40.0}},
    10**8: {"ours": {"seconds": {"median": 400.0}, "bytes_written_per_row": 40.0}},
}
RESULTS = {
    "data": {"sizes": {"10000000": {"ways": WAYS[10**7]}}},
    "data_ours": {
        "machine": {"cpus": 2},
        "sizes": {"100000000": {"ways": WAYS[10**8], "file_bytes": 8 * 10**9}},
    },
}
SPARK = {"rows": 10**8, "seconds": 360.0, "machine": {"cpus": 4}}


@pytest.fixture
def results(monkeypatch):
    found = dict(RESULTS)
    monkeypatch.setattr(scaling_tables, "read_results", lambda: found)
    return found


def test_many_rows_take_the_largest_measured_time_and_the_slope_from_there(results):
    _, rows = scaling_tables.rows_table()
    assert rows[0][:4] == ["100,000,000", "one host, 2 CPUs", "0.11", "8.0 GB, 4.0 GB"]
    # 400 s + 4 us x 900,000,000 = 4000 s
    assert rows[1][:4] == ["1,000,000,000", "one host, 2 CPUs", "*1.1*", "*80.0 GB, 40.0 GB*"]
    assert rows[2][2] == "*111.1*"


def test_spark_is_said_not_to_be_measured_until_it_is(results):
    assert scaling_tables.rows_table()[1][-1][-1] == "not measured yet"


def test_many_rows_with_spark_take_the_measured_rate(results):
    results["spark"] = SPARK
    _, rows = scaling_tables.rows_table()
    # 360 s x 10 = 1 h; by a hundred times as many CPUs a hundredth.
    assert [row[2] for row in rows[3:]] == ["0.10", "*1.0*", "*0.01*", "*100.0*", "*1.0*"]
    assert "400 such CPUs" in rows[5][1]


def test_engines_time_for_a_container_is_the_median_of_all_tries():
    engine = {"1": {"cpu_seconds": {"all": [0.0, 0.3]}}, "2": {"cpu_seconds": {"all": [0.2]}}}
    assert container_cpu(engine) == 0.2
