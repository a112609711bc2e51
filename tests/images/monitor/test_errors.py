"""Errors as the asker reads them: problem details for programs, a page for people."""

import pytest

PROGRAMS = ["/api/absent", "/api/runs/absent", "/api/runs/absent/artifacts", "/api/model"]
PAGES = ["/absent", "/runs/absent", "/mails/absent", "/runs/absent/artifacts/x", "/embed/runs/a"]


def problem(answer, status):
    """The detail of an answer that is in the one shape of errors."""
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert list(answer.json) == ["type", "title", "status", "detail"]
    assert (answer.json["type"], answer.json["status"]) == ("about:blank", status)
    return answer.json["detail"]


@pytest.mark.parametrize("address", PROGRAMS)
def test_program_reads_what_is_not_there_as_problem_details(client, address):
    answer = client.get(address)
    assert problem(answer, 404)
    assert answer.json["title"] == "Not Found"


@pytest.mark.parametrize("address", PAGES)
def test_person_reads_what_is_not_there_on_a_page_that_leads_on(client, address):
    answer = client.get(address)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "There is no such page" in answer.text
    assert 'href="/home"' in answer.text


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_method_that_is_not_offered_is_405_with_those_that_are(client, method):
    answer = getattr(client, method)("/api/status")
    problem(answer, 405)
    assert "GET" in answer.headers["Allow"]
    page = getattr(client, method)("/runs")
    assert (page.status_code, page.mimetype) == (405, "text/html")
    assert "GET" in page.headers["Allow"]
    assert "That is not possible here" in page.text


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("runs?page=0", "page: "), ("runs?page=x", "page: Not a valid integer."),
        ("runs?page_size=101", "page_size: "), ("runs?state=odd", "state: "),
        ("runs?sort=nothing", "sort: "), ("runs?order=up", "order: "),
        ("runs?published=maybe", "published: "), (f"runs?q={'x' * 201}", "q: "),
        ("compare", "run: Missing data"), ("compare?run=a", "run: "),
        ("compare?" + "&".join(["run=a"] * 6), "run: "),
    ],
    ids=lambda value: value[:20],
)  # fmt: skip
def test_question_that_does_not_fit_is_400_and_names_the_parameter(client, query, what):
    detail = problem(client.get(f"/api/{query}"), 400)
    assert detail.startswith(f"The request does not fit: {what}")


def test_form_that_is_too_large_is_refused_on_a_page(serve):
    client = serve(MONITOR_PASSWORD="a quite long password")
    answer = client.post("/login", data={"password": "x" * 10**6})
    assert (answer.status_code, answer.mimetype) == (413, "text/html")


@pytest.mark.parametrize(
    "address", ["/api/status", "/api/runs", "/api/metrics", "/api/model", "/metrics"]
)
def test_program_reads_why_the_volume_cannot_be_read(build, client, address):
    (build.root / ".ad-click-volume").unlink()
    assert "is not the shared volume" in problem(client.get(address), 503)


@pytest.mark.parametrize(
    "address", ["/", "/home", "/runs", "/runs/a", "/success", "/model", "/mails", "/compare",
                "/embed/", "/runs/a/artifacts/x", "/mails/a/body"]
)  # fmt: skip
def test_person_reads_why_the_volume_cannot_be_read_and_what_to_do(build, client, address):
    build.success("a")
    client.get("/home")
    (build.root / ".ad-click-volume").unlink()
    answer = client.get(address)
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "The shared volume cannot be read" in answer.text
    assert "make status" in answer.text


def test_page_works_again_once_the_volume_is_back(build, client):
    build.success()
    build.root.rename(build.root.with_name("away"))
    assert client.get("/success").status_code == 503
    build.root.with_name("away").rename(build.root)
    assert client.get("/success").status_code == 200


def crash(client):
    client.application.config["PROPAGATE_EXCEPTIONS"] = False
    client.application.extensions["watch"] = None


def test_crash_of_the_monitor_is_500_without_details(client):
    crash(client)
    detail = problem(client.get("/api/status"), 500)
    assert "NoneType" not in detail
    assert "Traceback" not in detail


def test_crash_on_a_page_is_a_page_without_details(client):
    crash(client)
    answer = client.get("/home")
    assert (answer.status_code, answer.mimetype) == (500, "text/html")
    assert "The monitor met an error of its own" in answer.text
    assert "NoneType" not in answer.text


@pytest.mark.parametrize("address", ["/<script>alert(1)</script>", "/runs/<script>", "/mails/<b>"])
def test_address_is_not_repeated_as_markup(client, address):
    answer = client.get(address)
    assert answer.status_code == 404
    assert "<script>alert" not in answer.text
    assert "<b>" not in answer.text


@pytest.mark.parametrize("address", ["/runs/a%0d%0aX: y", "/runs/%ff%fe", "/runs/" + "x" * 5000])
def test_odd_address_is_no_page(client, address):
    assert client.get(address).status_code == 404


def test_error_of_the_head_of_an_answer_has_no_body(client):
    answer = client.head("/absent")
    assert (answer.status_code, answer.data) == (404, b"")
