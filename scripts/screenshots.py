"""Take the README's pictures of the monitor, from one that is up and has two finished runs.

python scripts/screenshots.py [http://localhost:5000]    # what make screenshots does

The runs are those that the monitor shows: two of which one was published make the best pictures.
"""

from __future__ import annotations

import json
import shutil
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlencode

from playwright.sync_api import Browser, sync_playwright

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "images"
UNAVAILABLE = 69


class PictureError(Exception):
    """Why there is no picture; the message says what to do."""


@dataclass(frozen=True)
class Picture:
    """A page as one reader sees the top of it. ``scale`` is pixels of the file a pixel of CSS."""

    path: str
    width: int = 1240
    height: int = 980
    scale: float = 1
    language: str = "en-US"
    colours: Literal["light", "dark"] = "light"


def pictures(runs: list[str]) -> dict[str, Picture]:
    """Return the pictures by their file's name; the first run is the one to look at."""
    run = f"/runs/{quote(runs[0], safe='')}"
    return {
        "monitor": Picture(run, height=1000),
        "monitor-home": Picture("/home"),
        "monitor-compare": Picture(f"/compare?{urlencode([('run', name) for name in runs])}"),
        "monitor-phone": Picture(run, 390, 844, scale=2, language="fr-FR", colours="dark"),
    }


def finished_runs(address: str) -> list[str]:
    """Return two finished runs of a monitor: the newest that succeeded, and the newest other."""
    runs: list[str] = []
    try:
        for query in ("state=success", "state=success&state=failed"):
            with urllib.request.urlopen(f"{address}/api/runs?{query}", timeout=30) as answer:
                found = [run["run_id"] for run in json.load(answer)["runs"]]
            runs += [name for name in found if name not in runs][:1]
    except (OSError, ValueError, KeyError) as error:
        raise PictureError(f"no monitor answers at {address} ({error}): make up") from None
    if len(runs) < 2:
        raise PictureError(f"the monitor at {address} has no two finished runs: make run, twice")
    return runs


def take(browser: Browser, address: str, picture: Picture) -> bytes:
    """Return a picture as PNG."""
    context = browser.new_context(
        viewport={"width": picture.width, "height": picture.height},
        device_scale_factor=picture.scale,
        locale=picture.language,
        timezone_id="Europe/Paris",
        color_scheme=picture.colours,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(address)  # tells the monitor the time zone
    page.goto(address + picture.path, wait_until="networkidle")
    taken = page.screenshot()
    context.close()
    return taken


def main(arguments: list[str]) -> int:
    """Write every picture and return the exit code."""
    address = (arguments or ["http://localhost:5000"])[0].rstrip("/")
    program = shutil.which("chromium")
    try:
        if program is None:
            raise PictureError("there is no chromium (on Debian: sudo apt install chromium)")
        runs = finished_runs(address)
    except PictureError as error:
        print(f"error: {error}", file=sys.stderr)
        return UNAVAILABLE
    with sync_playwright() as playwright:
        # The pages are the project's own; its sandbox works neither for root nor in a container.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, picture in pictures(runs).items():
            file = PICTURES / f"{name}.png"
            file.write_bytes(take(browser, address, picture))
            print(f"{file.relative_to(PICTURES.parent.parent)}: {file.stat().st_size // 1000} kB")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
