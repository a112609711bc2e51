"""Which tests run on one worker (``pytest -n 2``), and which of them are begun first.

pytest-xdist has groups of its own (``--dist=loadgroup``), which do nothing with this pytest: they
are told by a test's id, which can not be changed any more.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parent.parent


def group_of(item: pytest.Item) -> str:
    """Return which tests have to run on one worker with this one, one after the other.

    There is one stack and one set of images, which drills replace for a while: whoever needs them
    is in one group, but for those that take the images as they were built (``built_images``).
    Pages are looked at with one browser, on sites that many tests share. All else shares what the
    fixtures of its file make.
    """
    if needs_engine(item) and "built_images" not in fixtures_of(item):
        return "engine"
    return "browser" if marked(item, "browser") else str(item.path)


def rank_of(item: pytest.Item) -> int:
    """Return when the group of a test is begun, 0 being first: the longest ones are."""
    if group_of(item) == "engine":
        return 0
    return 1 if needs_engine(item) else 2 if marked(item, "browser") else 3


def needs_engine(item: pytest.Item) -> bool:
    """Tell whether a test uses Docker."""
    return "settings" in fixtures_of(item) or marked(item, "image", "stack", "drill")


def fixtures_of(item: pytest.Item) -> list[str]:
    """Return the names of all fixtures that a test has, and that those have."""
    return list(getattr(item, "fixturenames", ()))


def marked(item: pytest.Item, *names: str) -> bool:
    """Tell whether a test has one of these markers."""
    return any(item.get_closest_marker(name) for name in names)


class Groups(LoadScopeScheduling):
    """Gives a worker a whole group; one that is done with it gets the next one, in their order."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False
        self.groups: dict[str, str] = {}

    def schedule(self) -> None:
        """Begin, once every worker has told its tests."""
        if not self.groups:
            self.groups = json.loads(groups_file().read_text())
            groups_file().unlink()
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        return self.groups[nodeid]


def groups_file() -> Path:
    """Return where the workers of this process write which group a test is in."""
    return Path(tempfile.gettempdir(), f"ad-click-tests-{os.getpid()}.json")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker where to write that."""
    node.workerinput["groups"] = str(groups_file())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order a worker's tests, and write which group each is in."""
    if hasattr(config, "workerinput"):
        items.sort(key=rank_of)
        told = {item.nodeid: group_of(item) for item in items}
        Path(config.workerinput["groups"]).write_text(json.dumps(told))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    """Have the tests shared out by these groups."""
    return Groups(config, log)
