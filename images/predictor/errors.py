"""Errors as programs read them: problem details (RFC 9457), each with one sentence that helps."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

PROBLEM = "application/problem+json"
MOST_TOLD = 100


class RefusedError(Exception):
    """A request that is refused, with its HTTP status and one sentence."""

    def __init__(self, status: int, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.detail, self.more = status, detail, more


def init_app(app: Flask) -> None:
    """Answer every error as a problem."""
    app.register_error_handler(
        RefusedError, lambda error: answer_problem(error.status, error.detail, **error.more)
    )
    app.register_error_handler(HTTPException, answer_http)


def answer_http(error: HTTPException) -> Response:
    """Answer one of HTTP's own errors; its headers (Allow, say) are kept."""
    response = answer_problem(error.code or 500, error.description or "")
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def answer_problem(status: int, detail: str, **more: Any) -> Response:
    """Return a problem; ``more`` are members of its own."""
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return Response(orjson.dumps(problem | more), status, mimetype=PROBLEM)


def refuse_rows(broken: list[dict[str, Any]]) -> RefusedError:
    """Return the refusal of rows that break the contract: the first in words, many in a list."""
    first, more = broken[0], len(broken) - 1
    where = f"row {first['row']}" + (f", field {first['field']!r}" if first["field"] else "")
    others = f" (and {more} more, see errors)" if more else ""
    return RefusedError(
        422, f"{where}: {first['rule']}{others}", errors=broken[:MOST_TOLD], broken=len(broken)
    )
