"""The headers that keep a browser from doing anything that the pages do not need."""

from __future__ import annotations

from flask import Flask, Response


def page_policy(frame_ancestors: str = "'none'") -> str:
    """Return the content security policy of a page: this host's own files, and nothing inline."""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
        f"frame-ancestors {frame_ancestors}"
    )


HEADERS = {
    "Content-Security-Policy": page_policy(),
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
        if not response.headers["X-Frame-Options"]:
            del response.headers["X-Frame-Options"]
        return response
