"""What scripts make of the settings: where the monitor listens, what is said of its login."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (
    "AIRFLOW_PORT=8080\nMONITOR_PORT=5000\nPREDICTOR_PORT=5002\n"
    "AIRFLOW_ADMIN_USER=admin\nAIRFLOW_ADMIN_PASSWORD=a\n"
)
SOURCED = 'source scripts/settings.sh; source scripts/compose.sh; load_settings "$ENV_FILE"; '
CLOSED = "no login, reachable from this machine only; MONITOR_PASSWORD in {} opens it"


@pytest.fixture
def bash(tmp_path):
    """Runs a line of bash with settings; its output goes to a pipe, or to a terminal."""

    def run(line, *settings, terminal=False, **given):
        file = tmp_path / ".env"
        file.write_text(SETTINGS + "\n".join(settings) + "\n")
        command = ["bash", "-euo", "pipefail", "-c", SOURCED + line]
        options = {
            "cwd": ROOT,
            "env": {"PATH": os.environ["PATH"], "ENV_FILE": str(file), **given},
        }
        if not terminal:
            return subprocess.run(
                command, capture_output=True, text=True, check=True, **options
            ).stdout
        screen, keyboard = pty.openpty()
        subprocess.run(command, stdout=keyboard, check=True, **options)
        os.close(keyboard)
        shown = os.read(screen, 65536).decode()
        os.close(screen)
        return shown

    return run


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ([], "127.0.0.1"),
        (["BIND_ADDRESS=0.0.0.0"], "127.0.0.1"),
        (["BIND_ADDRESS=0.0.0.0", "MONITOR_PASSWORD="], "127.0.0.1"),
        (["BIND_ADDRESS=0.0.0.0", "MONITOR_PASSWORD=a long password"], "0.0.0.0"),
        (["BIND_ADDRESS=127.0.0.1", "MONITOR_PASSWORD=a long password"], "127.0.0.1"),
        (["MONITOR_PASSWORD=a long password"], "127.0.0.1"),
        (["MONITOR_BIND_ADDRESS=0.0.0.0"], "127.0.0.1"),
    ],
)
def test_monitor_leaves_this_machine_only_with_a_password(bash, settings, address):
    line = "env | sed -n s/^MONITOR_BIND_ADDRESS=//p"
    assert bash(line, *settings).strip() == address
    # Nor does the caller's environment open it.
    assert bash(line, *settings, MONITOR_BIND_ADDRESS="0.0.0.0").strip() == address


def test_monitor_without_a_password_is_said_to_have_no_login(bash, tmp_path):
    for terminal in (False, True):
        printed = bash("print_addresses", "MONITOR_PASSWORD=", terminal=terminal)
        said = f"Monitor  http://localhost:5000  ({CLOSED.format(tmp_path / '.env')})"
        assert said in printed.splitlines()


def test_password_of_the_monitor_is_shown_on_a_terminal_only(bash, tmp_path):
    password = "MONITOR_PASSWORD='pass$word # of 2'"
    printed = bash("print_addresses", password)
    said = f"Monitor  http://localhost:5000  (login with MONITOR_PASSWORD of {tmp_path / '.env'})"
    assert said in printed.splitlines()
    shown = bash("print_addresses", password, terminal=True)
    said = "Monitor  http://localhost:5000  (login with the password pass$word # of 2)"
    assert said in shown.splitlines()


def test_predictor_is_said_where_it_is_asked_and_that_it_has_no_login(bash):
    said = "http://localhost:5002/v1/predict  (no login; the model that answers: /health)"
    assert f"Predictor  {said}" in bash("print_addresses").splitlines()
