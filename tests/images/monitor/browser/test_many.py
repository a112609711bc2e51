"""A hundred open pages at once: each answered, none harmed."""

from __future__ import annotations

import http.client
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.images.monitor.browser.conftest import Site

pytestmark = pytest.mark.browser

PAGES, ROUNDS, PAUSE_SECONDS = 100, 4, 1.5


def open_page(site: Site, path: str) -> Counter[int]:
    """Ask as an open page does, with the ETag of the last answer; count the statuses."""
    statuses: Counter[int] = Counter()
    etag = ""
    for _ in range(ROUNDS):
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
        connection.request("GET", path, headers={"If-None-Match": etag} if etag else {})
        answer = connection.getresponse()
        body = answer.read()
        assert (answer.status == 304) == (not body)
        statuses[answer.status] += 1
        etag = answer.headers["ETag"]
        connection.close()
        time.sleep(PAUSE_SECONDS)
    return statuses


def test_a_hundred_open_pages_are_all_answered(own_site: Site) -> None:
    own_site.build.running("now")
    paths = ["/runs/now", "/home", "/runs", "/embed/runs/now"] * (PAGES // 4)
    with ThreadPoolExecutor(PAGES) as pool:
        pages = [pool.submit(open_page, own_site, path) for path in paths]
        for step in range(5):
            own_site.build.progress("build_model", 0.4 + step / 10, "now")
            time.sleep(0.5)
        found = sum((page.result() for page in pages), Counter())
    assert set(found) == {200, 304}
    assert found.total() == PAGES * ROUNDS
    assert own_site.answers()
