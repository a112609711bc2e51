"""Bring Airflow's database to this version and give the administrator the password of .env.

Runs to its end before any other part of Airflow, at every start of the stack. One process does what
three `airflow` commands would, each of which loads Airflow again and shows the password to `ps`.
"""

import os
import sys

from airflow.cli.cli_parser import get_parser
from sqlalchemy.exc import OperationalError


def airflow(*arguments: str) -> None:
    """Run one command of Airflow's command line in this process."""
    parsed = get_parser().parse_args(arguments)
    parsed.func(parsed)


def main() -> None:
    """Migrate the database, then make the administrator or reset the password."""
    user, password = os.environ["AIRFLOW_ADMIN_USER"], os.environ["AIRFLOW_ADMIN_PASSWORD"]
    try:
        airflow("db", "migrate")
    except OperationalError as error:
        if "password authentication failed" not in str(error):
            raise
        sys.exit(
            "error: the database refuses POSTGRES_PASSWORD of .env: its volume was made with the "
            "one of an older .env. Put that value back, or delete the database with its "
            "history: VOLUMES=1 make down"
        )
    account = ("--username", user, "--password", password)
    airflow(
        *("users", "create", *account, "--role", "Admin"),
        *("--firstname", "Ad", "--lastname", "Click", "--email", f"{user}@localhost"),
    )
    airflow("users", "reset-password", *account)


if __name__ == "__main__":
    main()
