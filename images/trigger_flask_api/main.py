"""Tell the monitor of the run, and check that it shows it."""

import http.client
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from stage import Run, StageError, log, run_script

MONITOR_URL = "http://monitor:5000"  # the service's name on the network that stage.toml asks for
TRIES = 10
PAUSE_SECONDS = 2.0


def run(run: Run) -> dict[str, Any]:
    """Write ``monitor.json``, the monitor's answer about this run."""
    base = os.environ.get("MONITOR_URL", MONITOR_URL)
    # What the monitor answers without a login: no stage is given a password.
    url = f"{base}/health?run_id={urllib.parse.quote(run.run_id, safe='')}"
    answer = ask(url)
    shown = answer.get("run") or {}
    if shown.get("run_id") != run.run_id:
        raise StageError(70, f"the monitor does not show the run {run.run_id!r} at {url}")
    run.write_json("monitor.json", answer)
    return {"monitor_shows": shown.get("state")}


def ask(url: str) -> dict[str, Any]:
    """Return the JSON answer of the monitor; one that starts just now is waited for."""
    # Never through a proxy that the environment may name: the monitor is on the stack's network.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for left in reversed(range(TRIES)):
        try:
            with opener.open(url, timeout=10) as response:
                return dict(json.load(response))
        except (OSError, ValueError, TypeError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            if not left:
                raise StageError(
                    70, f"the monitor does not answer at {url}: {error}; see its log: make logs"
                ) from None
            log.warning("the monitor does not answer yet: %s", error)
            time.sleep(PAUSE_SECONDS)
    raise AssertionError("unreachable")


if __name__ == "__main__":
    run_script(__file__)
