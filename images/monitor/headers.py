"""The headers that keep a browser from doing anything that the pages do not need."""

from __future__ import annotations

from flask import Flask, Response

HEADERS = {
    # Only this host's own stylesheets and images; no scripts, no forms, no frames.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # The truth changes with each run: a page is never shown from a store without asking again.
    "Cache-Control": "no-cache",
}


def init_app(app: Flask) -> None:
    """Add the headers to every answer that has not its own."""

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response
