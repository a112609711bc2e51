"""Ask a service's health: ``python3 probe.py http://monitor:5000/health``.

Exit code 0 and one sentence when the answer is 200 with ``"status": "ok"``, else 1 and one sentence
that says why. Standard library only, with a limit on time and size; proxies of the environment are
not used, as the service is next door.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request

SECONDS = 5
LIMIT = 64 * 1024


def ask(address: str) -> tuple[int, bytes]:
    """Return the HTTP status and body at an address."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=SECONDS) as response:
            return response.status, response.read(LIMIT)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(LIMIT)


def judge(status: int, body: bytes) -> tuple[bool, str]:
    """Return whether the answer is healthy, and what it says."""
    try:
        answer = json.loads(body)
        word, volume, newest = answer["status"], answer["volume"], answer["newest_run"]
        if status == 200 and word == "ok":
            return True, f"newest run {newest['run_id']}" if newest else "no run yet"
        return False, str(volume["problem"])
    except (ValueError, KeyError, TypeError):
        return False, f"it answered {status} with something else than a health report"


def main(arguments: list[str]) -> int:
    """Probe the one address given and return the exit code."""
    if len(arguments) != 1:
        print("usage: probe.py URL, for example http://monitor:5000/health")
        return 2
    address = arguments[0]
    try:
        healthy, detail = judge(*ask(address))
    except (OSError, ValueError) as error:
        healthy, detail = False, f"no answer: {getattr(error, 'reason', error)}"
    print(f"{address} is {'healthy' if healthy else 'not healthy'}: {detail}")
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
