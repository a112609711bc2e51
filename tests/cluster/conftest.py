"""What the tests of the cluster share with the drills."""

import pytest
from tests.drills.conftest import times  # noqa: F401 - pytest finds its fixtures here

pytest.register_assert_rewrite("tests.cluster.two_engines")
