"""Answers with an ETag: a browser that asks again and again costs next to nothing.

A view says by which values its answer changes. While they are those that the browser has seen, the
answer is 304 and nothing is rendered; while another browser has seen them lately, the answer is
the same bytes again.
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable

from flask import Flask, Response, current_app, request

from .language import reader

# Bytes that each process keeps, compressed: some thousand pages, at about an eighth of their size.
KEPT = 8 * 1024**2


class Answers:
    """The newest answers of this process, by their ETag."""

    def __init__(self) -> None:
        self.bodies: OrderedDict[str, bytes] = OrderedDict()
        self.size = 0
        self.lock = threading.Lock()

    def get(self, etag: str) -> bytes | None:
        """Return an answer that was kept."""
        with self.lock:
            if etag not in self.bodies:
                return None
            self.bodies.move_to_end(etag)
            compressed = self.bodies[etag]
        return zlib.decompress(compressed)

    def keep(self, etag: str, body: bytes) -> None:
        """Keep an answer, and let go of those that were not asked for the longest."""
        compressed = zlib.compress(body, 1)
        with self.lock:
            self.size += len(compressed) - len(self.bodies.pop(etag, b""))
            self.bodies[etag] = compressed
            while self.size > KEPT:
                self.size -= len(self.bodies.popitem(last=False)[1])


def init_app(app: Flask) -> None:
    """Give the app its answers."""
    app.extensions["answers"] = Answers()


def answer(
    make: Callable[[], str], *versions: object, mimetype: str = "text/html", status: int = 200
) -> Response:
    """Return what ``make`` returns; it is called only if the ``versions`` are new here."""
    seen = (current_app.extensions["build"], request.full_path, mimetype, reader(), versions)
    etag = hashlib.blake2b(repr(seen).encode(), digest_size=12).hexdigest()
    if request.if_none_match.contains_weak(etag):
        response = Response(status=304)
    else:
        answers: Answers = current_app.extensions["answers"]
        body = answers.get(etag)
        if body is None:
            body = make().encode()
            answers.keep(etag, body)
        response = Response(body, status, mimetype=mimetype)
    response.set_etag(etag)
    response.headers["Cache-Control"] = "private, no-cache"
    response.vary.update(("Accept-Language", "Cookie"))
    return response
