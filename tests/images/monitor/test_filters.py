"""How values read on a page."""

import doctest

from monitor import filters


def test_examples_of_the_filters_hold():
    assert doctest.testmod(filters).failed == 0


def test_nothing_reads_as_a_dash():
    names = (filters.moment, filters.duration, filters.size, filters.score, filters.count)
    assert {name(None) for name in names} == {"-"}
