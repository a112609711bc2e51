"""The mails that the mailbox keeps on the volume: a Maildir, one file a mail."""

from __future__ import annotations

import contextlib
import email
import email.policy
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser

from .files import Tree, UnreadableError
from .record import moment

FOLDER = "mailbox/new"
# Maildir's own unique names: time, process and host, without a slash.
MAIL_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,:=+-]{0,199}")
HEADERS_LIMIT = 64 * 1024
MAIL_LIMIT = 4 * 1024 * 1024
UNREADABLE = "(this mail cannot be read)"


@dataclass(frozen=True)
class Envelope:
    """What a list of mails shows of one."""

    mail_id: str
    sent: datetime
    sender: str
    recipients: str
    subject: str


@dataclass(frozen=True)
class Mail:
    """A mail as a person reads it; ``html`` is markup by somebody else, to be shown sealed off."""

    envelope: Envelope
    text: str | None
    html: str | None
    attachments: list[str]


def mail_ids(tree: Tree) -> list[str]:
    """Return the names of all mails."""
    try:
        entries = tree.entries(FOLDER)
    except (FileNotFoundError, UnreadableError):
        return []
    return [e.name for e in entries if not e.is_folder and MAIL_ID.fullmatch(e.name)]


def read_envelope(tree: Tree, mail_id: str) -> Envelope:
    """Return a mail's headers; FileNotFoundError or UnreadableError where there is no such file."""
    return parse(tree, mail_id, HEADERS_LIMIT)[1]


def read_mail(tree: Tree, mail_id: str) -> Mail:
    """Return a mail; FileNotFoundError or UnreadableError where there is no such file."""
    message, envelope = parse(tree, mail_id, MAIL_LIMIT)
    return Mail(
        envelope=envelope,
        text=body(message, "plain"),
        html=body(message, "html"),
        attachments=[part.get_filename() or "?" for part in message.iter_attachments()]
        if message.is_multipart()
        else [],
    )


def parse(tree: Tree, mail_id: str, limit: int) -> tuple[EmailMessage, Envelope]:
    """Return a mail's first ``limit`` bytes as a message, and its envelope."""
    if not MAIL_ID.fullmatch(mail_id):
        raise FileNotFoundError(mail_id)
    name = f"{FOLDER}/{mail_id}"
    with tree.open(name) as file:
        message = email.message_from_bytes(file.read(limit), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    envelope = Envelope(
        mail_id=mail_id,
        sent=sent(message) or moment(tree.modified(name)),
        sender=header(message, "From"),
        recipients=header(message, "To"),
        subject=header(message, "Subject"),
    )
    return message, envelope


def header(message: EmailMessage, name: str) -> str:
    """Return a header's text; one that is no valid header reads as unreadable."""
    try:
        text = str(message[name] or "")
    except Exception:  # the parser of headers fails in many ways on what is none
        return UNREADABLE
    return "".join(c if c.isprintable() else " " for c in text.encode(errors="replace").decode())


def sent(message: EmailMessage) -> datetime | None:
    """Return when the mail says that it was sent, in UTC."""
    try:
        time = parsedate_to_datetime(header(message, "Date"))
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def body(message: EmailMessage, kind: str) -> str | None:
    """Return the mail's text in one of its forms, plain or html."""
    try:
        part = message.get_body((kind,))
        content = part.get_content() if part else None
    except Exception:  # an unknown encoding, a broken transfer encoding, and more
        return UNREADABLE
    if not isinstance(content, str):
        return None
    return content.encode(errors="replace").decode()


class Styles(HTMLParser):
    """Collects the inline styles of a page: the values of style attributes and style elements."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the style attribute of an element."""
        self.inside = tag == "style"
        self.found.update(value for name, value in attrs if name == "style" and value)

    def handle_endtag(self, tag: str) -> None:
        """Leave a style element."""
        self.inside = False

    def handle_data(self, data: str) -> None:
        """Note the text of a style element."""
        if self.inside:
            self.found.add(data)


def inline_styles(html: str) -> set[str]:
    """Return the inline styles that a mail's markup holds."""
    styles = Styles()
    with contextlib.suppress(AssertionError):  # the parser gives up: what it found until there
        styles.feed(html)
        styles.close()
    return styles.found
