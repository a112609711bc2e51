"""The Connection that the image's `airflow` command makes of SMTP_*."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "orchestration" / "entrypoint.py"
MAILBOX = {"SMTP_HOST": "mailbox", "SMTP_PORT": "1025", "SMTP_EMAIL": "ad-click@example.com"}


@pytest.fixture(scope="module")
def entrypoint() -> Any:
    spec = importlib.util.spec_from_file_location("entrypoint", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_mailbox_needs_no_login_and_no_encryption(entrypoint: Any):
    assert json.loads(entrypoint.smtp_connection(MAILBOX)) == {
        "conn_type": "smtp",
        "host": "mailbox",
        "port": 1025,
        "login": None,
        "password": None,
        "extra": {
            "from_email": "ad-click@example.com",
            "disable_ssl": True,
            "disable_tls": True,
        },
    }


@pytest.mark.parametrize(
    ("setting", "disable_ssl", "disable_tls"),
    [("SMTP_STARTTLS", True, False), ("SMTP_SSL", False, True)],
)
def test_encryption_is_a_json_boolean(
    entrypoint: Any, setting: str, disable_ssl: bool, disable_tls: bool
):
    extra = json.loads(entrypoint.smtp_connection(MAILBOX | {setting: "True"}))["extra"]
    assert extra["disable_ssl"] is disable_ssl
    assert extra["disable_tls"] is disable_tls


def test_password_keeps_every_character(entrypoint: Any):
    password = """a"b'c\\d$e{f}%40 g"""
    settings = MAILBOX | {"SMTP_USERNAME": "me@example.com", "SMTP_PASSWORD": password}
    assert json.loads(entrypoint.smtp_connection(settings))["password"] == password


@pytest.mark.parametrize("value", ["", "abc", "0", "65536", "-1"])
def test_bad_port_is_named(entrypoint: Any, value: str):
    with pytest.raises(ValueError, match=r"SMTP_PORT in \.env is .*1 to 65535"):
        entrypoint.smtp_connection(MAILBOX | {"SMTP_PORT": value})


def test_word_that_is_no_flag_is_refused(entrypoint: Any):
    with pytest.raises(ValueError, match=r"SMTP_SSL in \.env is 'yes': it must be true or false"):
        entrypoint.smtp_connection(MAILBOX | {"SMTP_SSL": "yes"})


def test_both_encryptions_at_once_are_refused(entrypoint: Any):
    with pytest.raises(ValueError, match="both true"):
        entrypoint.smtp_connection(MAILBOX | {"SMTP_SSL": "true", "SMTP_STARTTLS": "true"})


@pytest.mark.parametrize(
    ("command", "sweeps"),
    [
        (["scheduler"], [[]]),
        # Before it takes a task, and then beside it.
        (["celery", "worker"], [[], ["--again-and-again"]]),
        (["celery", "flower"], []),
        (["api-server"], []),
    ],
)
def test_who_starts_tasks_sweeps_first_and_a_worker_again_and_again(
    entrypoint: Any, monkeypatch: pytest.MonkeyPatch, command: list[str], sweeps: list[list[str]]
):
    started: list[list[str]] = []

    class Process:
        def __init__(self, words: list[str], **_: Any) -> None:
            started.append(words[2:])

        def wait(self) -> None:
            assert started[-1] == []

    monkeypatch.setenv("AIRFLOW_HOME", "/opt/airflow")
    monkeypatch.delenv("SMTP_HOST", raising=False)
    monkeypatch.setattr(entrypoint.subprocess, "Popen", Process)
    monkeypatch.setattr(entrypoint.os, "execv", lambda *_: None)
    monkeypatch.setattr(entrypoint.sys, "argv", ["airflow", *command])
    entrypoint.main()
    assert started == sweeps
