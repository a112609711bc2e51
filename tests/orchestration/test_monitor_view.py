"""The monitor's tab in Airflow: as Airflow takes it, and as a reader's browser shows it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Frame, Page, expect

from monitor_view import tabs

ROOT = Path(__file__).resolve().parents[2]
URL = "http://localhost:5000"
# A browser on a busy machine; in milliseconds, as Playwright counts.
PATIENCE = 120_000


def test_tabs_lead_to_the_monitors_pages():
    assert {view["destination"]: view["href"] for view in tabs(URL)} == {
        "dag": "http://localhost:5000/embed?dag_id={DAG_ID}",
        "dag_run": "http://localhost:5000/embed/runs/{RUN_ID}",
    }
    assert tabs(URL + "/") == tabs(URL)


def test_without_the_monitors_address_there_is_no_tab():
    assert tabs("") == []


def test_tabs_have_the_form_that_airflow_asks_for():
    from airflow.api_fastapi.core_api.datamodels.plugins import ExternalViewResponse

    for view in tabs(URL):
        # Other keys would be taken, and mean nothing.
        assert set(view) <= set(ExternalViewResponse.model_fields)
        assert ExternalViewResponse.model_validate(view).model_dump().items() >= view.items()
        assert re.fullmatch(r"[a-z-]+", view["url_route"])
    # Airflow drops a view whose route another one has.
    assert len({view["url_route"] for view in tabs(URL)}) == len(tabs(URL))


def test_airflow_loads_the_plugin_with_its_tabs():
    environment = {
        **os.environ,
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "orchestration" / "plugins"),
        "MONITOR_URL": URL,
    }
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "plugins", "--output", "json"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found = {plugin["source"]: plugin for plugin in json.loads(done.stdout)}
    plugin = found.pop("$PLUGINS_FOLDER/monitor_view.py")
    assert list(found) == ["$PLUGINS_FOLDER/prompt_executor.py"]
    assert plugin["external_views"] == tabs(URL)


@pytest.fixture(scope="module")
def run_id(stack: Any) -> str:
    """The id of a finished run."""
    run_id, _ = stack.run()
    return str(run_id)


@pytest.fixture(scope="module")
def page(stack: Any, browser: Browser) -> Iterator[Page]:
    """A page of a browser that is logged in to Airflow."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(stack.airflow_url)
    page.fill("input[name=username]", stack.settings["AIRFLOW_ADMIN_USER"])
    page.fill("input[name=password]", stack.settings["AIRFLOW_ADMIN_PASSWORD"])
    page.click("[type=submit]")
    page.get_by_role("link", name="Dags").first.wait_for()
    yield page
    context.close()


def monitor_url(stack: Any) -> str:
    """Return the monitor's address as Airflow knows it, not as the other tests call it."""
    return f"http://localhost:{stack.settings['MONITOR_PORT']}"


def open_tab(page: Page, address: str) -> Frame:
    """Open the monitor's tab and return its frame, once it shows the address."""
    with page.expect_response(address) as answer:
        page.get_by_role("link", name="Monitor", exact=True).click()
    assert answer.value.ok
    frame = page.locator("iframe[title=Monitor]").element_handle().content_frame()
    assert frame is not None
    # Not that of the browser's own page about a frame that the monitor forbids.
    frame.wait_for_url(address)
    return frame


@pytest.mark.stack
@pytest.mark.browser
def test_page_of_a_run_shows_the_monitors_page_of_it(stack: Any, run_id: str, page: Page):
    quoted = quote(run_id, safe="")
    page.goto(f"{stack.airflow_url}/dags/ml_pipeline_advertising/runs/{quoted}")
    frame = open_tab(page, f"{monitor_url(stack)}/embed/runs/{quoted}")
    expect(frame.locator("body")).to_contain_text(run_id, timeout=PATIENCE)


@pytest.mark.stack
@pytest.mark.browser
def test_page_of_the_dag_shows_the_monitor(stack: Any, run_id: str, page: Page):
    page.goto(f"{stack.airflow_url}/dags/ml_pipeline_advertising")
    frame = open_tab(page, f"{monitor_url(stack)}/embed?dag_id=ml_pipeline_advertising")
    expect(frame.locator("body")).to_contain_text(run_id, timeout=PATIENCE)
    # What the monitor's pages in a frame count on: no new window, nothing in the place of Airflow.
    allowed = page.locator("iframe[title=Monitor]").get_attribute("sandbox") or ""
    assert sorted(allowed.split()) == [
        "allow-downloads",
        "allow-forms",
        "allow-same-origin",
        "allow-scripts",
    ]
