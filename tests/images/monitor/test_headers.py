"""No page needs more than this host's own styles and images, and every answer says so."""

import hashlib
import re
from pathlib import Path

import pytest

import monitor

PACKAGE = Path(monitor.__file__).parent
ADDRESSES = ["/", "/success", "/api/status", "/health", "/absent", "/static/monitor.css"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_answer_has_the_headers(client, address):
    headers = client.get(address, buffered=True).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"


def test_no_template_has_inline_styles_scripts_or_other_hosts():
    for path in (PACKAGE / "templates").glob("*.html"):
        found = re.search(r"<script|<style|\sstyle=|\son\w+=|https?://|\|\s*safe", path.read_text())
        assert not found, f"{path.name}: {found}"


def test_vendored_files_are_those_that_their_table_names():
    folder = PACKAGE / "static/vendor"
    rows = re.findall(
        r"^\| `([^`]+)` \|.*`([0-9a-f]{64})` \|$", (folder / "README.md").read_text(), re.M
    )
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {name for name, _ in rows} | {"README.md"}
    for name, sha256 in rows:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256
