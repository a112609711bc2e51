"""What makes the accounts at the start of the stack."""

from __future__ import annotations

import dataclasses
import importlib.util
import urllib.error
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "orchestration" / "init.py"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program with nothing behind it; ``commands`` are those that it gave to Airflow."""
    spec = importlib.util.spec_from_file_location("init", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.commands = []
    module.airflow = lambda *words: module.commands.append(words)
    monkeypatch.setenv("AIRFLOW_ADMIN_USER", "admin")
    monkeypatch.setenv("AIRFLOW_ADMIN_PASSWORD", "of the administrator")
    monkeypatch.setenv("AIRFLOW_VIEWER_PASSWORD", "of the monitor")
    return module


def test_accounts_come_after_the_migration(program: Any):
    program.main()
    assert [words[:2] for words in program.commands] == [
        ("db", "migrate"),
        ("users", "create"),
        ("users", "reset-password"),
        ("users", "create"),
        ("users", "reset-password"),
    ]


def test_each_account_has_its_password_and_role(program: Any):
    program.main()
    accounts = {"admin": ("of the administrator", "Admin"), "monitor": ("of the monitor", "Viewer")}
    created = [words for words in program.commands if words[1] == "create"]
    reset = [words for words in program.commands if words[1] == "reset-password"]
    for (user, (password, role)), create, renew in zip(
        accounts.items(), created, reset, strict=True
    ):
        account = ("--username", user, "--password", password)
        assert create[2:8] == (*account, "--role", role)
        assert renew[2:] == account


@pytest.mark.parametrize("name", ["monitor", "Monitor"])
def test_administrator_can_not_be_the_monitors_account(program: Any, monkeypatch, name: str):
    monkeypatch.setenv("AIRFLOW_ADMIN_USER", name)
    with pytest.raises(SystemExit, match=r"^error: AIRFLOW_ADMIN_USER of \.env"):
        program.main()
    assert program.commands == []


@pytest.mark.stack
def test_the_monitors_account_reads_and_changes_nothing(stack: Any):
    viewer = dataclasses.replace(stack, token="")
    viewer.log_in("monitor", stack.settings["AIRFLOW_VIEWER_PASSWORD"])
    dag = "/api/v2/dags/ml_pipeline_advertising"
    assert viewer.airflow("GET", dag)["dag_id"] == "ml_pipeline_advertising"
    for method, path, body in (
        ("POST", f"{dag}/dagRuns", {"logical_date": None}),
        ("PATCH", dag, {"is_paused": True}),
        ("GET", "/api/v2/variables", None),
        ("GET", "/api/v2/connections", None),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            viewer.airflow(method, path, body)
        with refused.value as error:
            assert error.code == 403, path
