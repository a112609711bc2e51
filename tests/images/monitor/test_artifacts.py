"""The files of a run: sealed when shown, saved when not, and none but the run's own."""

from urllib.parse import quote

import pytest


@pytest.fixture
def get(build, client):
    build.success()
    return lambda name: client.get(f"/runs/{quote(build.run)}/artifacts/{name}", buffered=True)


def test_figure_is_shown_and_sealed(get):
    answer = get("evaluate_model/figures/roc_curve.svg")
    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "attachment" not in answer.headers.get("Content-Disposition", "")


def test_model_is_saved_and_not_shown(get):
    answer = get("build_model/logistic_regression_model.pkl")
    assert answer.mimetype == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert (answer.data, answer.content_length) == (b"made", 4)


def test_markup_is_saved_and_not_shown(build, get):
    build.write(f"runs/{build.run}/load_data/page.html", "<script>")
    assert get("load_data/page.html").headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    "name",
    [
        "absent",
        "build_model",
        "build_model/",
        "../../.ad-click-volume",
        "..%2F..%2F.ad-click-volume",
        "build_model/.hidden",
        "link",
        "folder/report.json",
        "/etc/passwd",
        "a%00b",
    ],
)
def test_anything_else_is_not_found(build, get, name):
    folder = build.root / "runs" / build.run
    build.write(f"runs/{build.run}/build_model/.hidden", "x")
    (folder / "link").symlink_to(build.root / ".ad-click-volume")
    (folder / "folder").symlink_to("build_model")
    assert get(name).status_code in (404, 308)


@pytest.mark.parametrize("run_id", ["..", "%2E%2E", ".", "a b", "absent"])
def test_run_that_is_none_has_no_files(build, client, run_id):
    build.write("data/advertising.csv", "x")
    assert client.get(f"/runs/{run_id}/artifacts/data/advertising.csv").status_code == 404
