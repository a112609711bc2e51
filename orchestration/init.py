"""Bring Airflow's database to this version and give its two accounts the passwords of .env.

Runs to its end before any other part of Airflow, at every start of the stack. One process does what
five `airflow` commands would, each of which loads Airflow again and shows the password to `ps`.
"""

import os
import sys

from airflow.cli.cli_parser import get_parser
from sqlalchemy.exc import OperationalError

# The monitor's account, which reads and changes nothing.
VIEWER = "monitor"


def airflow(*arguments: str) -> None:
    """Run one command of Airflow's command line in this process."""
    parsed = get_parser().parse_args(arguments)
    parsed.func(parsed)


def main() -> None:
    """Migrate the database, then make each account or reset its password."""
    administrator = os.environ["AIRFLOW_ADMIN_USER"]
    if administrator.lower() == VIEWER:  # as Airflow compares names
        sys.exit(f"error: AIRFLOW_ADMIN_USER of .env is {VIEWER}, the monitor's account: change it")
    try:
        airflow("db", "migrate")
    except OperationalError as error:
        if "password authentication failed" not in str(error):
            raise
        sys.exit(
            "error: the database refuses POSTGRES_PASSWORD of .env: its volume was made with the "
            "one of an older .env. Put that value back, or give both a new one, which keeps the "
            "history: make rotate SECRET=POSTGRES_PASSWORD"
        )
    set_account(administrator, os.environ["AIRFLOW_ADMIN_PASSWORD"], "Admin")
    set_account(VIEWER, os.environ["AIRFLOW_VIEWER_PASSWORD"], "Viewer")


def set_account(user: str, password: str, role: str) -> None:
    """Make an account, or give one that is there its password; its role then stays as it is."""
    account = ("--username", user, "--password", password)
    airflow(
        *("users", "create", *account, "--role", role),
        *("--firstname", "Ad", "--lastname", "Click", "--email", f"{user}@localhost"),
    )
    airflow("users", "reset-password", *account)


if __name__ == "__main__":
    main()
