"""Where scripts/apt.sh finds this host's package mirror."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

DEB822 = """\
# a comment
Types: deb
URIs: https://mirror.example/tools
Suites: bookworm
Components: stable

Enabled: no
Types: deb
URIs: https://off.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: https://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/m.gpg
"""


@pytest.mark.parametrize(
    ("text", "suite", "found"),
    [
        (DEB822, "bookworm", "https://mirror.example/debian /usr/share/keyrings/m.gpg"),
        (
            DEB822,
            "bookworm-updates",
            "https://mirror.example/debian /usr/share/keyrings/m.gpg",
        ),
        (DEB822, "trixie", ""),
        ("deb http://a.example/debian bookworm main\n", "bookworm", "http://a.example/debian"),
        (
            "deb-src http://b.example/debian bookworm main\n"
            "# deb http://c.example/debian bookworm main\n"
            "deb [arch=amd64 signed-by=/k.gpg] http://d.example/debian/ bookworm main contrib\n",
            "bookworm",
            "http://d.example/debian /k.gpg",
        ),
        ("deb http://e.example/debian bookworm contrib\n", "bookworm", ""),
    ],
)
def test_source_is_the_one_of_the_suite_and_main(tmp_path, text, suite, found):
    sources = tmp_path / "a.sources"
    sources.write_text(text)
    command = 'source scripts/apt.sh; apt_source "$@"'
    output = subprocess.check_output(
        ["bash", "-euc", command, "bash", suite, sources], cwd=ROOT, text=True
    )
    assert output.strip() == found
