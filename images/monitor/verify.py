"""Verify a model's lineage: ``python3 -m monitor.verify [run]``, what ``make verify`` does.

Without a run, the published model's. Nothing is asked but the files on the shared volume. Exit code
0: the whole chain holds; 65: it does not, and one sentence names file and stage; 66: there is
nothing to verify.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .reading.lineage import MAKER, SUMMARY, BrokenLinkError, Chain, Link, published_run
from .reading.record import escaped
from .reading.volume import NotFoundError, Volume, VolumeError

BROKEN = 65
NOTHING = 66


def main(arguments: list[str]) -> int:
    """Print each link that holds and what pins them all; return the exit code."""
    parser = argparse.ArgumentParser(prog="verify", description="Verify a model's lineage.")
    parser.add_argument("run", nargs="?", default="", help="run id; the published model's if none")
    run_id = parser.parse_args(arguments).run
    volume = Volume(Path(os.environ.get("SHARED_VOLUME", "/shared_volume")).absolute())
    try:
        volume.check()
        chain = Chain(volume, run_id or published_run(volume))
        links = 0
        for link in chain.verify():
            links += link.state == "whole"
            say(describe(link))
    except BrokenLinkError as broken:
        print(f"broken: {escaped(str(broken))}", file=sys.stderr)
        return BROKEN
    except (NotFoundError, VolumeError) as reason:
        print(f"error: {escaped(str(reason))}", file=sys.stderr)
        return NOTHING
    for origin in chain.origins:
        recipe, revision = origin.record("recipe"), origin.text("revision") or "unknown"
        code, needs = (recipe.text(key) or "unknown" for key in ("code", "dependencies"))
        say(f"{origin.text('stage')}: code {code}, dependencies {needs}, revision {revision}")
    source = chain.summary.record("source")
    say(f"whole: run {chain.run_id}, {links} files, from the model back to {source.text('path')}")
    say("noted where nobody who writes to the volume can change it, this hash pins them all:")
    say(f"{chain.pin}  {chain.place}/{MAKER}/{SUMMARY}")
    return 0


def describe(link: Link) -> str:
    """Return a link in one line."""
    other = " (another model's, not read)" if link.state == "other" else ""
    return f"{link.sha256}  {link.path}{other}"


def say(text: str) -> None:
    """Print a line that holds no control characters, whatever a file's name is."""
    print(escaped(text), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
