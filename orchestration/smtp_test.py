"""Send a mail through the server of SMTP_* and say what it answered, or which setting to change.

`make smtp-test` runs this with the settings of .env. Exit code 0 when the server took the mail.
"""

import os
import smtplib
import socket
import ssl
import sys
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, getaddresses, make_msgid

TIMEOUT_SECONDS = 20
# OpenSSL's numbers for a certificate's faults.
HOSTNAME_MISMATCH = {62, 64}


class NoGreetingError(Exception):
    """The server takes the connection and then says nothing."""


def send_test_mail(settings: Mapping[str, str], timeout: float) -> str:
    """Send the mail and return the server's answer; what goes wrong is raised as it comes."""
    sender, recipient = settings["SMTP_EMAIL"], settings["AIRFLOW_VAR_TOSEND"]
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = "[ad-click] test mail"
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="ad-click.invalid")
    message.set_content("This mail was sent by: make smtp-test\n")
    with connect(settings, timeout) as client:
        expect(client.mail(sender))
        for _, address in getaddresses([recipient]):
            expect(client.rcpt(address))
        return expect(client.data(message.as_bytes()))


def connect(settings: Mapping[str, str], timeout: float) -> smtplib.SMTP:
    """Return a connection to the server, encrypted and logged in as the settings say."""
    host, port = settings["SMTP_HOST"], int(settings["SMTP_PORT"])
    context = ssl.create_default_context()
    try:
        if is_true(settings, "SMTP_SSL"):
            client: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=timeout, context=context)
        else:
            client = smtplib.SMTP(host, port, timeout=timeout)
    except smtplib.SMTPServerDisconnected as error:
        raise NoGreetingError from error
    try:
        client.ehlo_or_helo_if_needed()
        if is_true(settings, "SMTP_STARTTLS"):
            client.starttls(context=context)
            client.ehlo()
        if settings.get("SMTP_USERNAME"):
            client.login(settings["SMTP_USERNAME"], settings["SMTP_PASSWORD"])
    except Exception:
        client.close()
        raise
    return client


def is_true(settings: Mapping[str, str], name: str) -> bool:
    """Read a setting that is true or false."""
    return settings.get(name, "").lower() == "true"


def expect(answer: tuple[int, bytes]) -> str:
    """Return an answer of the 2xx kind as text; any other is an SMTPResponseException."""
    code, text = answer
    if not 200 <= code < 300:
        raise smtplib.SMTPResponseException(code, text)
    return one_line(code, text)


def explain(error: Exception, settings: Mapping[str, str]) -> str:
    """Return one sentence: what went wrong, and which setting to change."""
    server = f"{settings['SMTP_HOST']}:{settings['SMTP_PORT']}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{server} {explain_answer(error)}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {server} is not trusted: {explain_certificate(error)}"
    if isinstance(error, smtplib.SMTPNotSupportedError) and "STARTTLS" in str(error):
        return f"{server} offers no STARTTLS: set SMTP_STARTTLS=false, or its TLS port and SMTP_SSL"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return (
            f"{server} offers no login on this connection: set SMTP_STARTTLS=true, "
            "or leave SMTP_USERNAME empty"
        )
    if isinstance(error, ssl.SSLError):
        return f"{server} does not start with TLS: set SMTP_SSL=false (587: SMTP_STARTTLS=true)"
    if isinstance(error, NoGreetingError):
        return (
            f"{server} takes the connection but does not greet: for a TLS port such as 465 "
            "set SMTP_SSL=true and SMTP_STARTTLS=false"
        )
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return (
            f"{server} ends the conversation ({error}): check SMTP_STARTTLS, SMTP_USERNAME and "
            "SMTP_PASSWORD, or try later"
        )
    if isinstance(error, socket.gaierror):
        return f"there is no host {settings['SMTP_HOST']!r}: correct SMTP_HOST"
    if isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException):
        reason = error.strerror or error
        return f"nothing answers at {server} ({reason}): correct SMTP_HOST and SMTP_PORT"
    return f"{server}: {type(error).__name__}: {error}"


def explain_answer(error: smtplib.SMTPResponseException) -> str:
    """Return what a server's answer that is a refusal means."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return (
            f"refuses the login ({said(error)}): correct SMTP_USERNAME and SMTP_PASSWORD; "
            "Gmail and others want an application password"
        )
    if isinstance(error, smtplib.SMTPConnectError | smtplib.SMTPHeloError):
        return f"takes no mail from here now ({said(error)}): try later, or correct SMTP_HOST"
    if error.smtp_code == 530:
        return (
            f"wants more first ({said(error)}): set SMTP_STARTTLS=true, "
            "and SMTP_USERNAME with SMTP_PASSWORD"
        )
    return f"refuses the mail ({said(error)}): check SMTP_EMAIL and MAIL_TO"


def explain_certificate(error: ssl.SSLCertVerificationError) -> str:
    """Return what is wrong with a certificate, and what to do."""
    if error.verify_code in HOSTNAME_MISMATCH:
        return f"{error.verify_message}; set SMTP_HOST to the name in it"
    return f"{error.verify_message}; use an SMTP_HOST whose certificate a public authority signed"


def said(error: smtplib.SMTPResponseException) -> str:
    """Return what the server said."""
    return one_line(error.smtp_code, error.smtp_error)


def one_line(code: int, text: bytes | str) -> str:
    """Return an answer as one line that does nothing to the terminal."""
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    words = "".join(letter if letter.isprintable() else " " for letter in words)
    return f"{code} {' '.join(words.split())}"


def main(timeout: float = TIMEOUT_SECONDS) -> None:
    """Send the mail by the settings of the environment; ``timeout`` in seconds, of each answer."""
    settings = os.environ
    if not settings.get("AIRFLOW_VAR_TOSEND"):
        sys.exit("error: there is nobody to send to: set MAIL_TO in .env")
    try:
        answer = send_test_mail(settings, timeout)
    except Exception as error:
        sys.exit(f"error: {explain(error, settings)}")
    print(
        f"sent to {settings['AIRFLOW_VAR_TOSEND']} through {settings['SMTP_HOST']}:"
        f"{settings['SMTP_PORT']}; the server answered: {answer}"
    )


if __name__ == "__main__":
    main()
