#!/opt/venv/bin/python3
"""The image's `airflow` command: Airflow's own, with the mail server of SMTP_* as `smtp_default`.

Airflow takes a Connection as one JSON value. It is built here and not in docker-compose.yaml,
because a password may hold quotes and backslashes, which only a JSON encoder always escapes.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def smtp_connection(settings: Mapping[str, str]) -> str:
    """Return the Connection `smtp_default` as JSON, from the SMTP_* settings of .env.

    Raises:
        ValueError: a setting is not of its form; the message names it.
    """
    ssl, starttls = flag(settings, "SMTP_SSL"), flag(settings, "SMTP_STARTTLS")
    if ssl and starttls:
        raise ValueError(
            "SMTP_SSL and SMTP_STARTTLS are both true in .env: "
            "set only SMTP_SSL for port 465, only SMTP_STARTTLS for port 587."
        )
    connection = {
        "conn_type": "smtp",
        "host": settings["SMTP_HOST"],
        "port": port(settings, "SMTP_PORT"),
        "login": settings.get("SMTP_USERNAME") or None,
        "password": settings.get("SMTP_PASSWORD") or None,
        "extra": {
            "from_email": settings["SMTP_EMAIL"],
            "disable_ssl": not ssl,
            "disable_tls": not starttls,
        },
    }
    return json.dumps(connection)


def flag(settings: Mapping[str, str], name: str) -> bool:
    """Read a setting that is `true` or `false`; an absent or empty one is false."""
    value = settings.get(name, "").strip().lower()
    if value not in {"true", "false", ""}:
        raise ValueError(f"{name} in .env is {value!r}: it must be true or false.")
    return value == "true"


def port(settings: Mapping[str, str], name: str) -> int:
    """Read a setting that is a TCP port, 1 to 65535."""
    value = settings[name].strip()
    if not value.isdecimal() or not 1 <= int(value) <= 65535:
        raise ValueError(f"{name} in .env is {value!r}: it must be a port, 1 to 65535.")
    return int(value)


def sweep(*arguments: str, wait: bool = True) -> None:
    """Remove the containers that nobody waits for; without ``wait``, beside what comes next."""
    home = Path(os.environ["AIRFLOW_HOME"])
    environment = {**os.environ, "PYTHONPATH": str(home / "plugins")}
    process = subprocess.Popen(
        [sys.executable, str(home / "sweep.py"), *arguments], env=environment
    )
    if wait:
        process.wait()


def main() -> None:
    """Run Airflow's command of the same name in place of this one."""
    if os.environ.get("SMTP_HOST"):
        try:
            os.environ["AIRFLOW_CONN_SMTP_DEFAULT"] = smtp_connection(os.environ)
        except ValueError as error:
            sys.exit(f"error: {error}")
    # What a crash left goes before anything new starts. If it can't, that is no reason not to.
    if sys.argv[1:2] == ["scheduler"]:
        sweep()
    if sys.argv[1:3] == ["celery", "worker"]:
        sweep()
        # No run of the control host's ends here: what is left on this engine goes by the clock.
        sweep("--again-and-again", wait=False)
    airflow = Path(sys.prefix) / "bin" / "airflow"
    os.execv(airflow, [str(airflow), *sys.argv[1:]])


if __name__ == "__main__":
    main()
