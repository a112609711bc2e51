"""The optional login: one password for everything but /health."""

import base64
import re

import pytest

from monitor.login import OPEN, SECONDS, SHORTEST, TRIES

PASSWORD = "a quite long password"
OPEN_FOR_ALL = {"/health", "/login", "/static/monitor.css", "/language/fr"}


@pytest.fixture
def guarded(serve):
    return serve(MONITOR_PASSWORD=PASSWORD)


def log_in(client, password=PASSWORD, **more):
    return client.post("/login", data={"password": password}, query_string=more)


def basic(password, user="anybody"):
    word = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {word}"}


def addresses(client):
    """An address of each view that answers GET, but those that are open for all."""
    found = []
    with client.application.test_request_context():
        for rule in client.application.url_map.iter_rules():
            if "GET" in rule.methods and rule.endpoint not in OPEN:
                values = dict.fromkeys(rule.arguments, "x")
                found.append(client.application.url_for(rule.endpoint, **values))
    return found


def test_every_page_file_and_answer_asks_for_the_password(guarded):
    asked = addresses(guarded)
    assert {"/", "/metrics", "/ready", "/embed/", "/api/openapi.json", "/api/status",
            "/mails/x/body", "/runs/x/artifacts/x"} <= set(asked)  # fmt: skip
    for address in [*asked, "/absent", "/api/absent"]:
        answer = guarded.get(address)
        if answer.status_code == 302:
            assert answer.location.startswith("/login?back="), address
        else:
            assert answer.status_code == 401, address
            assert answer.json["status"] == 401, address


def test_only_these_are_open_for_all(guarded):
    for address in OPEN_FOR_ALL:
        answer = guarded.get(address, buffered=True)
        assert answer.status_code in (200, 302), address
        assert "/login" not in answer.headers.get("Location", "")
    assert {"health.health", "login.form", "login.log_in", "static", "language.choose"} == OPEN


def test_program_is_told_how_to_send_the_password(guarded):
    answer = guarded.get("/api/status")
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="ad-click monitor", charset="UTF-8"'


def test_page_to_try_the_api_asks_as_any_page(guarded):
    assert guarded.get("/api/").location == "/login?back=/api/"


def test_page_is_shown_after_the_login_where_the_reader_wanted_to_go(build, guarded):
    build.success()
    asked = guarded.get("/runs?q=a&state=success")
    assert asked.location == "/login?back=/runs?q%3Da%26state%3Dsuccess"
    form = guarded.get(asked.location).text
    assert 'action="/login?back=/runs?q%3Da%26state%3Dsuccess"' in form
    assert log_in(guarded, back="/runs?q=a&state=success").location == "/runs?q=a&state=success"
    assert guarded.get("/success").status_code == 200
    assert guarded.get("/api/status").status_code == 200


def test_wrong_password_is_refused_and_the_way_kept(guarded):
    answer = log_in(guarded, "wrong", back="/runs")
    assert (answer.status_code, "That is not the password." in answer.text) == (403, True)
    assert 'action="/login?back=/runs"' in answer.text
    assert "Set-Cookie" not in answer.headers
    assert guarded.get("/api/status").status_code == 401


@pytest.mark.parametrize("password", ["", PASSWORD[:-1], PASSWORD + " ", PASSWORD.upper(), "é"])
def test_only_the_whole_password_opens(guarded, password):
    assert log_in(guarded, password).status_code == 403
    assert guarded.get("/metrics", headers=basic(password)).status_code == 401


def test_programs_send_the_password_with_any_user_name(guarded):
    assert guarded.get("/metrics", headers=basic(PASSWORD)).status_code == 200
    assert guarded.get("/metrics", headers=basic(PASSWORD, "")).status_code == 200
    assert guarded.get("/metrics").status_code == 401


def test_password_may_hold_any_character(serve):
    password = "mot de passe: é ¡ \N{SNOWMAN}"
    client = serve(MONITOR_PASSWORD=password)
    assert client.get("/metrics", headers=basic(password)).status_code == 200
    assert log_in(client, password).status_code == 302


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic YQ==", "Bearer x", f"Bearer {PASSWORD}", "x", ""]
)
def test_header_that_is_none_does_not_open(guarded, header):
    assert guarded.get("/api/status", headers={"Authorization": header}).status_code == 401


def test_cookie_is_kept_from_scripts_and_other_sites(guarded):
    cookie = log_in(guarded).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Expires=" in cookie


def cookie_of(answer):
    return re.match(r"monitor_session=([^;]+)", answer.headers["Set-Cookie"])[1]


@pytest.mark.parametrize("how", ["of another password", "changed", "made up", "unsigned"])
def test_forged_cookie_does_not_open(serve, guarded, how):
    other = serve(MONITOR_PASSWORD="another long password")
    right = cookie_of(log_in(guarded))
    cookie = {
        "of another password": cookie_of(log_in(other, "another long password")),
        "changed": right[:-1] + ("A" if right[-1] != "A" else "B") + "x",
        "made up": '{"in": true}',
        "unsigned": right.partition(".")[0],
    }[how]
    guarded.set_cookie("monitor_session", cookie)
    assert guarded.get("/api/status").status_code == 401


def test_cookie_opens_another_process_with_the_same_password(build, serve, guarded):
    build.success()
    other = serve(MONITOR_PASSWORD=PASSWORD)
    other.set_cookie("monitor_session", cookie_of(log_in(guarded)))
    assert other.get("/api/status").status_code == 200


def test_log_out_ends_the_session(guarded):
    log_in(guarded)
    assert '<form method="post" action="/logout">' in guarded.get("/home").text
    assert guarded.post("/logout").location == "/login"
    assert guarded.get("/api/openapi.json").status_code == 401


def test_log_out_is_no_link(guarded):
    log_in(guarded)
    assert guarded.get("/logout").status_code == 405


def test_who_has_logged_in_is_not_asked_again(guarded):
    log_in(guarded)
    assert guarded.get("/login?back=/runs").location == "/runs"


@pytest.mark.parametrize(
    "back", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", ""]
)
def test_login_never_leads_to_another_host(guarded, back):
    assert 'action="/login?back=/"' in guarded.get("/login", query_string={"back": back}).text
    assert log_in(guarded, back=back).location == "/"
    assert guarded.get("/login", query_string={"back": back}).location == "/"


def test_too_many_wrong_passwords_let_nobody_in_for_a_while(guarded):
    for _ in range(TRIES):
        assert log_in(guarded, "wrong").status_code == 403
    answer = log_in(guarded)
    assert (answer.status_code, "wait a minute" in answer.text) == (429, True)
    answer = guarded.get("/api/status", headers=basic(PASSWORD))
    assert (answer.status_code, answer.mimetype) == (429, "application/problem+json")
    guesses = guarded.application.extensions["guesses"]
    guesses.times = [at - SECONDS for at in guesses.times]
    assert log_in(guarded).status_code == 302


def test_guesses_by_header_count_too_and_do_not_end_sessions(build, guarded):
    build.success()
    log_in(guarded)
    other = guarded.application.test_client()
    for _ in range(TRIES):
        assert other.get("/metrics", headers=basic("wrong")).status_code == 401
    assert other.get("/metrics", headers=basic(PASSWORD)).status_code == 429
    assert guarded.get("/success").status_code == 200


def test_right_passwords_are_no_guesses(guarded):
    for _ in range(TRIES + 2):
        assert guarded.get("/metrics", headers=basic(PASSWORD)).status_code == 200


@pytest.mark.parametrize("length", [1, SHORTEST - 1])
def test_password_that_is_too_short_refuses_to_start(serve, length):
    with pytest.raises(ValueError, match=f"shorter than {SHORTEST} characters") as refused:
        serve(MONITOR_PASSWORD="Z" * length)
    assert "Z" not in str(refused.value)
    serve(MONITOR_PASSWORD="Z" * SHORTEST)


def test_password_is_in_no_answer(build, guarded):
    build.success()
    build.publish()
    build.mail("x", html="<p>")
    asked = [*addresses(guarded), f"/runs/{build.run}", "/login", "/absent"]
    log_in(guarded)
    log_in(guarded, "wrong")
    for address in asked:
        answer = guarded.get(address, headers=basic(PASSWORD), buffered=True)
        assert PASSWORD not in answer.text + str(answer.headers), address


def test_health_needs_no_password_and_tells_no_more_than_without_one(build, guarded):
    build.success()
    assert set(guarded.get("/health").json) == {"status", "volume", "newest_run"}


def test_without_a_password_the_pages_say_so(build, client, guarded):
    build.success()
    assert "No login is set: reachable from this machine only." in client.get("/success").text
    log_in(guarded)
    assert "No login is set" not in guarded.get("/success").text


def test_without_a_password_there_is_nothing_to_log_in_to(client):
    for answer in (client.get("/login?back=/runs"), client.post("/login?back=/runs")):
        assert answer.location == "/runs"
    assert client.post("/logout").location == "/login"
    assert "Log out" not in client.get("/home").text
