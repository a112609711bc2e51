"""The mails about invented runs, in a Maildir, as the mailbox keeps them."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from planned_run import PlannedRun
from run_files import subject
from run_outputs import sha256

MINUTE = timedelta(minutes=1)


def write_mails(mailbox: Path, runs: list[PlannedRun]) -> None:
    """Write one mail about each run into the Maildir ``mailbox``."""
    for folder in ("new", "cur", "tmp"):
        (mailbox / folder).mkdir(parents=True)
    for number, run in enumerate(runs):
        sent = run.started + MINUTE
        name = f"{int(sent.timestamp())}.M{number:06}P1Q{number}.history"
        (mailbox / "new" / name).write_bytes(bytes(compose(run, sent)))


def compose(run: PlannedRun, sent: datetime) -> EmailMessage:
    """Return the mail about a run: text, and the same as HTML."""
    happened = "The run failed." if run.ending.code else "The model was published."
    scores = [f"{name} {run.metrics[name]:.4f}" for name in ("accuracy", "roc_auc", "f1")]
    mail = EmailMessage()
    mail["From"] = "ad-click@example.com"
    mail["To"] = "you@example.com"
    mail["Subject"] = subject(run)
    mail["Date"] = format_datetime(sent)
    mail["Message-ID"] = f"<{sent.timestamp():.6f}@ad-click.invalid>"
    mail["X-MailFrom"] = "ad-click@example.com"
    mail["X-RcptTo"] = "you@example.com"
    mail.set_content("\n".join([happened, "", f"Run {run.run_id} on {run.source}.", *scores, ""]))
    items = "".join(f"<li>{score}</li>" for score in scores)
    page = f"<!DOCTYPE html><html><body><h1>{happened}</h1><p>{run.run_id}</p><ul>{items}</ul>"
    mail.add_alternative(f"{page}</body></html>\n", subtype="html", cte="quoted-printable")
    mail.set_boundary(f"==={sha256(run.run_id.encode())}===")  # else a random one
    return mail
