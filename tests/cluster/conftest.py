"""What the tests of the cluster share with the drills."""

from tests.drills.conftest import times  # noqa: F401 - pytest finds its fixtures here
