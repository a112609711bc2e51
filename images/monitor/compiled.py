"""The templates as Python modules: ``python3 -m monitor.compiled``, once, when the image is built.

Compiling them takes half a second, which the first page would otherwise wait for. A checkout has no
compiled ones, so that a template that was changed shows.
"""

from __future__ import annotations

import gc
from pathlib import Path

from flask import Flask
from jinja2 import ModuleLoader

FOLDER = Path(__file__).resolve().parent / "compiled_templates"


def init_app(app: Flask) -> None:
    """Take the compiled templates where there are some."""
    if FOLDER.is_dir():
        app.jinja_env.loader = ModuleLoader(FOLDER)


def load(app: Flask) -> None:
    """Load every template, and keep Python's collector away from all that lives as long as the app.

    A full collection would go through all of it again and again, some 40 ms without an answer.
    """
    for name in app.create_global_jinja_loader().list_templates():
        if name.endswith(".html"):
            app.jinja_env.get_template(name)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    from . import create_app

    create_app().jinja_env.compile_templates(FOLDER, extensions=("html",), zip=None)
