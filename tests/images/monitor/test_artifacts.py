"""The files of a run: sealed when shown, saved when not, and none but the run's own."""

import os
from urllib.parse import quote

import pytest


@pytest.fixture
def get(build, client):
    build.success()
    return lambda name: client.get(f"/runs/{quote(build.run)}/artifacts/{name}", buffered=True)


def test_figure_is_shown_and_sealed(get):
    answer = get("evaluate_model/figures/roc_curve.svg")
    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "attachment" not in answer.headers.get("Content-Disposition", "")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("evaluate_model/metrics.json", "application/json"),
        ("model_summary/model_summary.txt", "text/plain"),
        ("build_model/report.json", "application/json"),
    ],
)
def test_text_is_shown(get, name, kind):
    answer = get(name)
    assert (answer.status_code, answer.mimetype) == (200, kind)
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_model_is_saved_and_not_shown(get):
    answer = get("build_model/logistic_regression_model.pkl")
    assert answer.mimetype == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert (answer.data, answer.content_length) == (b"made", 4)


@pytest.mark.parametrize("name", ["page.html", "page.HTML", "page.xhtml", "page.xml", "page.SVG",
                                  "page.svg.html", "page.js", "page"])  # fmt: skip
def test_markup_is_saved_and_not_shown(build, get, name):
    build.write(f"runs/{build.run}/load_data/{name}", "<script>")
    answer = get(f"load_data/{name}")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.mimetype == "application/octet-stream"


def test_odd_name_is_saved_under_that_name_alone(build, get):
    build.write(f'runs/{build.run}/load_data/a"; filename=b.html', "x")
    answer = get("load_data/a%22;%20filename=b.html")
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="a\\"; filename=b.html"')  # fmt: skip


def test_name_of_several_lines_is_not_found(build, get):
    build.write(f"runs/{build.run}/load_data/a\r\nX: y.csv", "x")
    assert get("load_data/a%0d%0aX:%20y.csv").status_code == 404


def test_head_of_a_file_has_its_size(build, client, get):
    name = f"/runs/{quote(build.run)}/artifacts/build_model/logistic_regression_model.pkl"
    answer = client.head(name, buffered=True)
    assert (answer.status_code, answer.content_length, answer.data) == (200, 4, b"")


def test_half_written_file_is_sent_as_it_is(build, get):
    build.write(f"runs/{build.run}/build_model/report.json", '{"stage": "bui')
    assert get("build_model/report.json").data == b'{"stage": "bui'


@pytest.mark.parametrize(
    "name",
    [
        "absent",
        "build_model",
        "build_model/",
        "../../.ad-click-volume",
        "..%2F..%2F.ad-click-volume",
        "%2e%2e/%2e%2e/.ad-click-volume",
        "..%5c..%5c.ad-click-volume",
        "build_model/.hidden",
        ".hidden/file",
        "link",
        "folder/report.json",
        "outside/secret.txt",
        "pipe",
        "/etc/passwd",
        "%2Fetc%2Fpasswd",
        "a%00b",
        "x" * 5000,
        "/".join("x" * 200),
    ],
    ids=lambda name: name[:30],
)
def test_anything_else_is_not_found(build, get, name):
    folder = build.root / "runs" / build.run
    build.write(f"runs/{build.run}/build_model/.hidden", "x")
    build.write(f"runs/{build.run}/.hidden/file", "x")
    build.write("../secret.txt", "x")
    (folder / "link").symlink_to(build.root / ".ad-click-volume")
    (folder / "folder").symlink_to("build_model")
    (folder / "outside").symlink_to(build.root.parent)
    os.mkfifo(folder / "pipe")
    assert get(name).status_code in (404, 308)


@pytest.mark.parametrize("run_id", ["..", "%2E%2E", ".", "a b", "absent", "link", "%00"])
def test_run_that_is_none_has_no_files(build, client, run_id):
    build.write("data/advertising.csv", "x")
    build.write("runs/real/data/advertising.csv", "x")
    (build.root / "runs/link").symlink_to("real")
    assert client.get(f"/runs/{run_id}/artifacts/data/advertising.csv").status_code == 404


def test_reason_is_told_where_a_file_is_not_shown(build, get):
    (build.root / f"runs/{build.run}/link").symlink_to("build_model/report.json")
    assert "is not shown: it is behind a symbolic link." in get("link").text
    assert f"Run {build.run} has no file absent." in get("absent").text
