"""The mails that the pipeline sent, from the mailbox, as a person reads them."""

from __future__ import annotations

import base64
import hashlib

from flask import Blueprint, Response, render_template, request

from .conditional import answer
from .current import check_volume, current_index, current_volume
from .reading.files import UnreadableError
from .reading.mailbox import Mail, inline_styles, read_mail
from .reading.volume import NotFoundError

PAGE_SIZE = 25
# So many styles of a mail are allowed: a header has to stay short.
STYLES = 50

blueprint = Blueprint("mails", __name__)
blueprint.before_request(check_volume)


@blueprint.get("/mails")
def mails() -> Response:
    """Show a page of the mails, newest first."""
    index = current_index()
    words = request.args.get("q", "")[:200]
    page = min(max(request.args.get("page", 1, type=int), 1), 10**6)
    return answer(
        lambda: render_template(
            "mails/mails.html",
            words=words,
            page=index.mails(words, page, PAGE_SIZE),
            asked={"q": words} if words else {},
        ),
        index.generation,
    )


@blueprint.get("/mails/<mail_id>")
def mail(mail_id: str) -> Response:
    """Show a mail."""
    found = find_mail(mail_id)
    return answer(lambda: render_template("mails/mail.html", mail=found), mail_id)


@blueprint.get("/mails/<mail_id>/body")
def body(mail_id: str) -> Response:
    """Return a mail's markup, sealed: it runs nothing, and loads nothing from anywhere.

    Of styles just those that stand in it are allowed, each by its hash.
    """
    html = find_mail(mail_id).html
    if html is None:
        raise NotFoundError("This mail has no markup.")
    found = sorted(inline_styles(html))[:STYLES]
    styles = " ".join(f"'sha256-{style_hash(style)}'" for style in found)
    # A link opens a page of its own, not one in the frame. The type stands first: without one a
    # browser lays the mail out as pages of the last century were.
    response = Response(f'<!doctype html><base target="_blank">{html}', mimetype="text/html")
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'unsafe-hashes' {styles}; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'; "
        "sandbox allow-popups allow-popups-to-escape-sandbox"
    )
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


def find_mail(mail_id: str) -> Mail:
    """Return a mail, or raise NotFoundError."""
    try:
        return read_mail(current_volume().tree, mail_id)
    except (FileNotFoundError, UnreadableError):
        raise NotFoundError("There is no such mail in the mailbox.") from None


def style_hash(style: str) -> str:
    """Return a style's sha256 as a content security policy names it."""
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
