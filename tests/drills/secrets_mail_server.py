"""A mail server that asks for a login, as a provider's does; run in the mailbox's image.

Takes the user `canary` with the password that stands in /password/value at that moment, and keeps
the mails in /mailbox.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import AuthResult


def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    """Let in who knows the password."""
    known = Path("/password/value").read_bytes()
    return AuthResult(
        success=(data.login, data.password) == (b"canary", known),
        handled=False,
        auth_data=data.login,
    )


if __name__ == "__main__":
    Controller(
        Mailbox("/mailbox"),
        hostname="0.0.0.0",
        port=1025,
        authenticator=authenticate,
        auth_required=True,
        auth_require_tls=False,
    ).start()
    signal.pause()
