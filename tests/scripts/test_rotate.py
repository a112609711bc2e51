"""`make rotate`: what it writes, what it refuses, and what is left where it is cut off.

The engine is a script that notes how it is called; tests/drills/test_secrets.py rotates for real.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECRETS = (
    "AIRFLOW_ADMIN_PASSWORD",
    "AIRFLOW_FERNET_KEY",
    "AIRFLOW_JWT_SECRET",
    "AIRFLOW_SECRET_KEY",
    "AIRFLOW_VIEWER_PASSWORD",
    "MONITOR_PASSWORD",
    "POSTGRES_PASSWORD",
)
# Notes its arguments and the settings of that moment; answers what the test left in a file.
ENGINE = """#!/bin/sh
printf 'docker %s\\n' "$*" >> "$NOTES"
case "$*" in
    *"select run_id"*) cat "$ANSWERS/run" 2> /dev/null ;;
    "volume inspect"*) [ ! -e "$ANSWERS/no-volume" ] ;;
    *rotate-fernet-key*)
        cp .env "$ANSWERS/settings-meanwhile"
        [ ! -e "$ANSWERS/fails" ] || { echo the last words; exit 1; } ;;
esac
"""


@dataclass
class Checkout:
    """A copy of the scripts, with settings, and an engine and a `make up` that only note."""

    folder: Path

    @property
    def settings(self) -> dict[str, str]:
        return dict(re.findall(r"^([A-Z_]+)=(.*)$", self.text, re.MULTILINE))

    @property
    def text(self) -> str:
        return (self.folder / ".env").read_text()

    @property
    def notes(self) -> str:
        return (self.folder / "notes").read_text()

    def answer(self, name: str, text: str = "") -> None:
        (self.folder / name).write_text(text)

    def rotate(self, *names: str, given: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "NOTES": f"{self.folder}/notes",
            "ANSWERS": str(self.folder),
            **more,
        }
        return subprocess.run(
            ["scripts/rotate.sh", *names],
            cwd=self.folder,
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copytree(ROOT / "shared_volume" / "data", tmp_path / "shared_volume" / "data")
    (tmp_path / "shared_volume" / ".ad-click-volume").touch()
    shutil.copy(ROOT / ".env.example", tmp_path)
    subprocess.run(
        ["scripts/env.sh"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
    )
    (tmp_path / "notes").touch()
    (tmp_path / "bin").mkdir()
    for path, text in (("bin/docker", ENGINE), ("scripts/up.sh", '#!/bin/sh\necho up >> "$NOTES"')):
        (tmp_path / path).write_text(text)
        (tmp_path / path).chmod(0o755)
    return Checkout(tmp_path)


@pytest.mark.parametrize("name", SECRETS)
def test_one_value_is_new_and_all_else_of_the_file_stays(checkout: Checkout, name: str) -> None:
    before, text = checkout.settings, checkout.text
    done = checkout.rotate(name)
    assert done.returncode == 0, done.stderr
    after = checkout.settings
    assert {n for n in after if after[n] != before[n]} == {name}
    assert re.sub(f"^{name}=.*$", "", text, flags=re.M) == re.sub(
        f"^{name}=.*$", "", checkout.text, flags=re.M
    )
    assert len(after[name]) == len(before[name] or "x" * 24)
    assert stat.S_IMODE((checkout.folder / ".env").stat().st_mode) == 0o600
    assert [path.name for path in checkout.folder.glob(".env*")].count(".env") == 1
    assert len(list(checkout.folder.glob(".env*"))) == 2  # with .env.example
    assert checkout.notes.endswith("up\n")


@pytest.mark.parametrize("name", SECRETS)
def test_no_value_is_printed_or_given_as_an_argument(checkout: Checkout, name: str) -> None:
    old = checkout.settings[name]
    done = checkout.rotate(name)
    for value in filter(None, (old, checkout.settings[name])):
        assert value not in done.stdout + done.stderr + checkout.notes


def test_several_are_changed_with_one_restart(checkout: Checkout) -> None:
    before = checkout.settings
    assert checkout.rotate("AIRFLOW_JWT_SECRET", "AIRFLOW_SECRET_KEY").returncode == 0
    after = checkout.settings
    changed = {n for n in after if after[n] != before[n]}
    assert changed == {"AIRFLOW_JWT_SECRET", "AIRFLOW_SECRET_KEY"}
    assert checkout.notes.splitlines().count("up") == 1


@pytest.mark.parametrize("names", [[], ["MAIL_TO"], ["AIRFLOW_JWT_SECRET", "SECRET"], ["A|B"]])
def test_what_is_no_secret_is_refused_with_the_list(checkout: Checkout, names: list[str]) -> None:
    text = checkout.text
    done = checkout.rotate(*names)
    assert done.returncode == 2
    assert all(name in done.stderr for name in (*SECRETS, "SMTP_PASSWORD"))
    assert checkout.text == text


def test_secret_that_the_environment_sets_is_refused(checkout: Checkout) -> None:
    text = checkout.text
    done = checkout.rotate("MONITOR_PASSWORD", MONITOR_PASSWORD="from the shell")
    assert done.returncode == 2
    assert "the environment sets MONITOR_PASSWORD" in done.stderr
    assert checkout.text == text


@pytest.mark.parametrize("name", [*SECRETS, "SMTP_PASSWORD"])
def test_restart_of_airflow_is_refused_while_a_run_is_at_work(
    checkout: Checkout, name: str
) -> None:
    checkout.answer("run", "nightly\n")
    text = checkout.text
    done = checkout.rotate(name, given="a new one")
    if name in ("AIRFLOW_ADMIN_PASSWORD", "MONITOR_PASSWORD"):
        assert done.returncode == 0
        return
    assert done.returncode == 75
    assert "the run nightly is at work" in done.stderr
    assert checkout.text == text
    assert "stop" not in checkout.notes


def test_both_fernet_keys_are_known_while_the_database_is_encrypted_anew(
    checkout: Checkout,
) -> None:
    old = checkout.settings["AIRFLOW_FERNET_KEY"]
    assert checkout.rotate("AIRFLOW_FERNET_KEY").returncode == 0
    new = checkout.settings["AIRFLOW_FERNET_KEY"]
    meanwhile = (checkout.folder / "settings-meanwhile").read_text()
    assert f"AIRFLOW_FERNET_KEY={new},{old}\n" in meanwhile
    stopped = checkout.notes.index("stop airflow-scheduler airflow-apiserver airflow-dag-processor")
    assert stopped < checkout.notes.index("rotate-fernet-key") < checkout.notes.index("up\n")


def test_both_fernet_keys_stay_where_it_fails_and_the_next_try_ends_it(checkout: Checkout) -> None:
    old = checkout.settings["AIRFLOW_FERNET_KEY"]
    checkout.answer("fails")
    done = checkout.rotate("AIRFLOW_FERNET_KEY")
    assert done.returncode == 70
    assert "the last words\nerror: " in done.stderr
    assert re.fullmatch(rf"[\w=-]{{44}},{re.escape(old)}", checkout.settings["AIRFLOW_FERNET_KEY"])
    first = checkout.settings["AIRFLOW_FERNET_KEY"]
    (checkout.folder / "fails").unlink()
    assert checkout.rotate("AIRFLOW_FERNET_KEY").returncode == 0
    meanwhile = (checkout.folder / "settings-meanwhile").read_text()
    assert f"{checkout.settings['AIRFLOW_FERNET_KEY']},{first}\n" in meanwhile
    assert len(checkout.settings["AIRFLOW_FERNET_KEY"]) == 44


@pytest.mark.parametrize("name", ["AIRFLOW_FERNET_KEY", "POSTGRES_PASSWORD"])
def test_database_that_is_not_there_is_not_made(checkout: Checkout, name: str) -> None:
    checkout.answer("no-volume")
    before = checkout.settings[name]
    assert checkout.rotate(name).returncode == 0
    assert checkout.settings[name] != before
    assert " run " not in checkout.notes


@pytest.mark.parametrize("given", ["abcd efgh", 'a"b\\c $d # e', "plain-1234", "no line's end"])
def test_password_of_the_mail_server_comes_by_standard_input(
    checkout: Checkout, given: str
) -> None:
    done = checkout.rotate("SMTP_PASSWORD", given=given)
    if "'" in given:
        assert done.returncode == 2
        assert "holds the sign '" in done.stderr
        return
    assert done.returncode == 0
    assert given not in done.stdout + done.stderr + checkout.notes
    show = 'source scripts/settings.sh; load_settings .env; printf %s "$SMTP_PASSWORD"'
    read = subprocess.run(
        ["bash", "-c", show], cwd=checkout.folder, capture_output=True, text=True, check=True
    )
    assert read.stdout == given


@pytest.mark.parametrize("given", ["", "\n"])
def test_mail_server_without_a_new_password_changes_nothing(checkout: Checkout, given: str) -> None:
    text = checkout.text
    done = checkout.rotate("SMTP_PASSWORD", given=given)
    assert done.returncode == 2
    assert "SMTP_PASSWORD" in done.stderr
    assert checkout.text == text
