"""The templates that the image compiles are those of the checkout, in every language."""

import gc
from pathlib import Path

import pytest

from monitor import compiled

PAGES = ["/home", "/runs", "/runs/a", "/runs/b", "/compare?run=a&run=b", "/model", "/mails", "/api"]


@pytest.fixture
def folder(monkeypatch, tmp_path, client):
    """Templates that were compiled as in the build of the image."""
    monkeypatch.setattr(compiled, "FOLDER", tmp_path / "compiled")
    environment = client.application.jinja_env
    environment.compile_templates(compiled.FOLDER, extensions=("html",), zip=None)
    return compiled.FOLDER


@pytest.mark.parametrize("language", ["fr", "en"])
def test_compiled_templates_make_the_same_pages(build, client, serve, folder, language):
    build.success("a")
    build.failure("b")
    other = serve()
    for page in PAGES:
        asked = {"Accept-Language": language}
        first, second = (c.get(page, headers=asked) for c in (client, other))
        assert first.status_code == 200
        assert first.get_data(as_text=True).replace(mark(client), "") == second.get_data(
            as_text=True
        ).replace(mark(other), "")
    template = other.application.jinja_env.get_template("runs/run.html")
    assert Path(template.filename).parent == folder


def mark(client):
    """Return what differs between builds."""
    return client.application.extensions["build"]


def test_every_template_is_loaded_before_the_first_answer(client):
    try:
        compiled.load(client.application)
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
    loaded = {template.name for template in client.application.jinja_env.cache.values()}
    assert loaded >= {"base.html", "runs/run.html", "api/api.html"}
