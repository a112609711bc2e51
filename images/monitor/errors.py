"""Errors as the asker reads them: problem details (RFC 9457) under /api/, a page elsewhere."""

from __future__ import annotations

from http import HTTPStatus

from flask import Flask, Response, json, render_template, request
from werkzeug.exceptions import HTTPException

from .volume import NotFoundError, VolumeError


def init_app(app: Flask) -> None:
    """Answer every error in the shape that fits its address."""
    app.register_error_handler(NotFoundError, lambda error: answer(404, str(error)))
    app.register_error_handler(VolumeError, lambda error: answer(503, str(error)))
    app.register_error_handler(HTTPException, answer_http)


def answer_http(error: HTTPException) -> Response:
    """Answer one of HTTP's own errors; its headers (Allow, say) are kept."""
    response = answer(error.code or 500, error.description or "")
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def answer(status: int, detail: str) -> Response:
    """Return the error as JSON or as a page."""
    title = HTTPStatus(status).phrase
    if request.path.startswith("/api/"):
        problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        return Response(json.dumps(problem), status, mimetype="application/problem+json")
    page = render_template("error.html", status=status, title=title, detail=detail)
    return Response(page, status)
