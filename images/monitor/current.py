"""What the views share: the volume of the app that answers the present request."""

from __future__ import annotations

from flask import current_app

from .volume import Volume


def current_volume() -> Volume:
    """Return the app's shared volume."""
    volume: Volume = current_app.extensions["volume"]
    return volume


def check_volume() -> None:
    """Before a view: raise VolumeError, which is answered with 503 and the reason."""
    current_volume().check()
