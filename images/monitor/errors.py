"""Errors as the asker reads them: problem details (RFC 9457) for programs, a page for people."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException, default_exceptions

from .language import marked, translated
from .reading.volume import TellingError, VolumeError

PROBLEM = "application/problem+json"
TITLES = {
    400: marked("That request makes no sense"),
    401: marked("The password is needed"),
    403: marked("That is not allowed"),
    404: marked("There is no such page"),
    405: marked("That is not possible here"),
    429: marked("Too many tries"),
    500: marked("The monitor met an error of its own"),
    503: marked("The shared volume cannot be read"),
}
OTHER_TITLE = marked("That cannot be answered")


def init_app(app: Flask) -> None:
    """Answer every error in the shape that fits its address."""
    app.register_error_handler(TellingError, answer_told)
    app.register_error_handler(HTTPException, answer_http)


def answer_told(error: TellingError) -> Response:
    """Answer what the volume lacks."""
    status = 503 if isinstance(error, VolumeError) else 404
    return answer_error(status, error.sentence, **error.values)


def answer_http(error: HTTPException) -> Response:
    """Answer one of HTTP's own errors; its headers (Allow, say) are kept."""
    data = getattr(error, "data", None) or {}
    problems = data.get("messages") or {}
    status = error.code or 500
    if problems:
        what = in_words(problems)
        response = answer_error(status, "The request does not fit: %(what)s", what=what)
    else:
        description = error.description or ""
        response = answer_error(status, description)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def in_words(problems: Any) -> str:
    """Return what is wrong with each parameter, in one line."""
    if isinstance(problems, dict):
        return "; ".join(
            in_words(found) if name in ("query", "json", "form") else f"{name}: {in_words(found)}"
            for name, found in problems.items()
        )
    if isinstance(problems, list):
        return " ".join(str(problem) for problem in problems)
    return str(problems)


def answer_error(status: int, detail: str, **values: object) -> Response:
    """Return the error as JSON, in English, or as a page, in the reader's language.

    ``values`` are for the places in ``detail``. What HTTP says of each error of a kind tells a
    person nothing that the page's title does not.
    """
    phrase = HTTPStatus(status).phrase
    if request.path.startswith("/api/") or request.path in ("/metrics", "/ready", "/health"):
        problem = {
            "type": "about:blank",
            "title": phrase,
            "status": status,
            "detail": detail % values if values else detail,
        }
        return Response(orjson.dumps(problem), status, mimetype=PROBLEM)
    general = detail == getattr(default_exceptions.get(status), "description", None)
    page = render_template(
        "error.html",
        status=status,
        title=translated(TITLES.get(status, OTHER_TITLE)),
        detail="" if general else detail,
        values=values,
    )
    return Response(page, status)
