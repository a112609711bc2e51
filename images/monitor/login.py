"""The optional login: one password for everything but ``/health``.

A browser gets a form and then a signed cookie; programs send the password as HTTP's own Basic
authentication, with any user name. The cookie's key is made of the password, so that a new password
ends all sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from datetime import timedelta

from flask import (
    Blueprint,
    Flask,
    abort,
    current_app,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from werkzeug.wrappers import Response

from .embed import allow_airflow
from .errors import answer_error
from .language import local_path

SHORTEST = 12
OPEN = {"health.health", "login.form", "login.log_in", "static", "language.choose"}
# So many wrong passwords in so many seconds: then nobody gets in for that long.
TRIES, SECONDS = 10, 60.0

blueprint = Blueprint("login", __name__)


class Guesses:
    """Counts wrong passwords, of everybody together, in each process."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.lock = threading.Lock()

    def too_many(self) -> bool:
        """Return whether there were too many just now."""
        with self.lock:
            self.times = [at for at in self.times if time.monotonic() - at < SECONDS]
            return len(self.times) >= TRIES

    def add(self) -> None:
        """Count one."""
        with self.lock:
            self.times.append(time.monotonic())


def init_app(app: Flask) -> None:
    """Guard the app where a password is set.

    Raises:
        ValueError: the password is too short to protect anything.
    """
    app.register_blueprint(blueprint)
    app.context_processor(lambda: {"guarded": bool(app.config["MONITOR_PASSWORD"])})
    password: str = app.config["MONITOR_PASSWORD"]
    if not password:
        return
    check_length(password)
    app.secret_key = hashlib.scrypt(
        password.encode(), salt=b"ad-click monitor session", n=2**14, r=8, p=1
    )
    app.config |= {
        "SESSION_COOKIE_NAME": "monitor_session",  # Airflow's, on the same host, is "session"
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_HTTPONLY": True,
        "PERMANENT_SESSION_LIFETIME": timedelta(days=7),
    }
    app.extensions["guesses"] = Guesses()
    app.before_request(check)


def check_length(password: str) -> None:
    """Raise ValueError for a password that is too short to protect anything; none is none."""
    if password and len(password) < SHORTEST:
        raise ValueError(
            f"MONITOR_PASSWORD in .env is shorter than {SHORTEST} characters: choose a longer one"
        )


def check() -> Response | None:
    """Before any view: let in who has logged in; ask the others for the password."""
    if request.endpoint in OPEN or session.get("in"):
        return None
    given = request.authorization
    if given is not None and given.type == "basic":
        if right(given.password or ""):
            return None
    elif wants_page():
        here = request.full_path.rstrip("?")
        return redirect(url_for("login.form", back=here))
    response = answer_error(401, "The monitor asks for its password.")
    response.headers["WWW-Authenticate"] = 'Basic realm="ad-click monitor", charset="UTF-8"'
    return response


def wants_page() -> bool:
    """Return whether a browser asks for a page."""
    api = request.path.startswith("/api/") and request.endpoint != "api_page"
    program = api or request.path in ("/metrics", "/ready")
    return request.method in ("GET", "HEAD") and not program


def right(password: str) -> bool:
    """Return whether this is the password; too many wrong ones are an error (429)."""
    guesses: Guesses = current_app.extensions["guesses"]
    if guesses.too_many():
        abort(429, "There were too many wrong passwords: wait a minute.")
    known: str = current_app.config["MONITOR_PASSWORD"]
    if hmac.compare_digest(password.encode(), known.encode()):
        return True
    guesses.add()
    return False


@blueprint.get("/login")
def form() -> str | Response:
    """Ask for the password."""
    if not current_app.config["MONITOR_PASSWORD"] or session.get("in"):
        return redirect(back())
    return render_template("login/login.html", wrong=False, back=back(), embedded=in_frame())


@blueprint.post("/login")
def log_in() -> str | Response | tuple[str, int]:
    """Take the password and go on to the page that was asked for."""
    if not current_app.config["MONITOR_PASSWORD"]:
        return redirect(back())
    if not right(request.form.get("password", "")):
        return render_template(
            "login/login.html", wrong=True, back=back(), embedded=in_frame()
        ), 403
    session["in"] = True
    session.permanent = True
    return redirect(back())


@blueprint.post("/logout")
def log_out() -> Response:
    """Forget who has logged in."""
    if current_app.config["MONITOR_PASSWORD"]:
        session.clear()
    return redirect(url_for("login.form"))


@blueprint.after_request
def allow_in_frame(response: Response) -> Response:
    """Let the form stand in Airflow's frame where a page of that frame asked for it."""
    return allow_airflow(response) if in_frame() else response


def in_frame() -> bool:
    """Return whether the page to go on to is one of those in Airflow's frame."""
    return back().startswith("/embed")


def back() -> str:
    """Return the page to go on to."""
    return local_path(request.args.get("back", "/"))
