"""The reader's language and time zone: how they are chosen, and how values read in them."""

from datetime import UTC, datetime
from urllib.parse import urljoin, urlsplit

import pytest

from monitor import language
from monitor.reading.evaluation import SCORES
from monitor.reading.stages import MAILS

TIME = datetime(2026, 11, 23, 19, 30, 0, 123456, tzinfo=UTC)


@pytest.fixture
def reads(client):
    """A value as a reader reads it, by filter."""

    def read(name, value, code="en", zone="UTC"):
        cookies = {"Cookie": f"language={code}; zone={zone}"}
        with client.application.test_request_context(headers=cookies):
            language.meet_reader()
            text = getattr(language, name)(value)
        return text.replace("\u202f", " ").replace("\xa0", " ")

    return read


def ask(client, accept=None, **cookies):
    for name, value in cookies.items():
        client.set_cookie(name, value)
    headers = {"Accept-Language": accept} if accept else {}
    return client.get("/success", headers=headers).text


@pytest.mark.parametrize(
    ("accept", "code"),
    [
        (None, "en"), ("fr", "fr"), ("fr-CA,fr;q=0.9", "fr"), ("de,fr;q=0.5,en;q=0.3", "fr"),
        ("de", "en"), ("*", "en"), ("en-GB,fr;q=0.9", "en"), ("fr-CH,de;q=0.9,en;q=0.8", "fr"),
        ("fr;q=0", "en"), ("FR", "fr"), (";;;q=x", "en"), ("x" * 5000, "en"),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_language_is_the_best_one_of_the_browser(client, accept, code):
    assert f'<html lang="{code}">' in ask(client, accept)


@pytest.mark.parametrize(
    ("cookie", "code"),
    [("fr", "fr"), ("en", "en"), ("de", "fr"), ("", "fr"), ("<script>", "fr"), ("../fr", "fr")],
)
def test_language_that_the_reader_chose_stands_above_the_browsers(client, cookie, code):
    assert f'<html lang="{code}">' in ask(client, "fr", language=cookie)


def test_switch_marks_the_language_and_leads_back_to_the_page(client):
    found = client.get("/runs?q=a&state=failed").text
    assert "Français</a>" in found
    assert 'href="/language/fr?back=/runs?q%3Da%26state%3Dfailed"' in found
    assert found.count('aria-current="true"') == 1


def test_chosen_language_is_remembered(client):
    answer = client.get("/language/fr?back=/runs?q%3Da")
    assert (answer.status_code, answer.location) == (302, "/runs?q=a")
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert '<html lang="fr">' in ask(client)
    client.get("/language/en")
    assert '<html lang="en">' in ask(client)


@pytest.mark.parametrize("code", ["de", "<b>", "fr%0d%0a", "FR"])
def test_language_that_is_none_is_not_remembered(client, code):
    answer = client.get(f"/language/{code}")
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (302, False)


@pytest.mark.parametrize(
    "back",
    [
        "//evil.example", "/\\evil.example", "\\\\evil.example", "///evil.example",
        "/\\/evil.example", "https://evil.example", "https:evil.example", "https:/evil.example",
        "http:///evil.example", "//evil.example@localhost", "//localhost@evil.example",
        "javascript:alert(1)", "data:text/html,x", "evil.example", "", "?x", "#x",
        "/\t/evil.example", "\t//evil.example", " //evil.example", "/\n/evil.example",
        "\r\n//evil.example", "/\r\nSet-Cookie: a=b", "/x\r\nLocation: https://evil.example",
        "/\x00//evil.example", "/x?a=\r\nSet-Cookie: a=b", "http://[", "/%09/evil.example",
        "/.//evil.example", "/\u2028//evil.example", "/\uff0fevil.example",
    ],
    ids=repr,
)  # fmt: skip
def test_switch_never_leads_to_another_host(client, back):
    answer = client.get("/language/fr", query_string={"back": back})
    location = answer.location
    assert location.startswith("/")
    assert location[1:2] not in ("/", "\\")
    assert urlsplit(urljoin("http://monitor.example/", location)).netloc == "monitor.example"
    assert not set("\r\n\t\\") & set(location)
    assert [name for name, _ in answer.headers].count("Set-Cookie") == 1


@pytest.mark.parametrize("back", ["/", "/runs?q=a&state=failed", "/runs/a+b:c", "/mails/1,2=3"])
def test_switch_leads_back_to_any_page_of_this_host(client, back):
    assert client.get("/language/fr", query_string={"back": back}).location == back


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("Europe/Paris", "Nov 23, 2026, 8:30:00 PM"),
        ("Asia/Kolkata", "Nov 24, 2026, 1:00:00 AM"),
        ("UTC", "Nov 23, 2026, 7:30:00 PM"),
    ],
)
def test_times_are_in_the_readers_zone_with_the_exact_time_on_hover(build, client, zone, shown):
    build.success()
    found = " ".join(ask(client, zone=zone).split())
    assert (
        '<time datetime="2026-11-23T19:30:00+00:00" title="2026-11-23 19:30:00.000 UTC">'
        f"{shown}</time>"
    ) in found
    assert f"Times are in the zone {zone}." in found


@pytest.mark.parametrize(
    "zone",
    ["", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "posixrules",
     "<script>", "Europe/Paris\x00", "é", "x" * 1000, "Europe"],
    ids=lambda zone: repr(zone)[:20],
)  # fmt: skip
def test_zone_that_is_none_is_utc(build, client, zone):
    build.success()
    found = ask(client, zone=zone)
    assert "Times are in the zone UTC." in found
    assert "7:30:00\u202fPM" in found


def test_zone_is_understood_as_the_browsers_script_writes_it(build, client):
    build.success()
    browser = client.application.test_client(use_cookies=False)
    found = browser.get("/success", headers={"Cookie": "zone=Europe/Paris; x"}).text
    assert "8:30:00\u202fPM" in found


@pytest.mark.parametrize(
    ("name", "value", "english", "french"),
    [
        ("moment", TIME, "Nov 23, 2026, 7:30:00 PM", "23 nov. 2026, 19:30:00"),
        ("exact", TIME, "2026-11-23 19:30:00.123 UTC", "2026-11-23 19:30:00.123 UTC"),
        ("duration", 0.123, "0.12 s", "0,12 s"),
        ("duration", 26, "26.0 s", "26,0 s"),
        ("duration", 61.4, "1 min 1 s", "1 min 1 s"),
        ("duration", 3600 * 1234 + 60, "1,234 h 1 min", "1 234 h 1 min"),
        ("duration", -5, "-5.00 s", "-5,00 s"),
        ("size", 0, "0 B", "0 o"),
        ("size", 999, "999 B", "999 o"),
        ("size", 107000, "107.0 kB", "107,0 ko"),
        ("size", 1.5e9, "1.5 GB", "1,5 Go"),
        ("size", 1e18, "1,000,000.0 TB", "1 000 000,0 To"),
        ("score", 0.97, "0.9700", "0,9700"),
        ("score", 1234.5, "1,234.5000", "1 234,5000"),
        ("count", 1234567, "1,234,567", "1 234 567"),
        ("percent", 0.954, "95 %", "95 %"),
        ("word", "drift_report", "drift report", "drift report"),
        ("share", 0.0208333, "2.08 %", "2,08 %"),
        ("rounded", 0.123456789, "0.12346", "0,12346"),
        ("rounded", 54052.26559, "54,052", "54 052"),
        ("rounded", 1234567.8, "1,234,568", "1 234 568"),
        ("rounded", 1e20, "1e+20", "1e+20"),
        ("rounded", 1234567, "1,234,567", "1 234 567"),
        ("rounded", "2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z"),
        ("one_line", "a\n\x1b\u202eb", "a\\n\\x1b\\u202eb", "a\\n\\x1b\\u202eb"),
        ("one_line", "é" * 400, "é" * 299 + "…", "é" * 299 + "…"),
        ("one_line", 7, "7", "7"),
        ("plain", True, "true", "true"),
        ("plain", 1000.0, "1000", "1000"),
        ("plain", 0.1, "0.1", "0.1"),
        ("plain", "a_b", "a_b", "a_b"),
    ],
)  # fmt: skip
def test_values_read_as_the_readers_language_writes_them(reads, name, value, english, french):
    assert reads(name, value) == english
    assert reads(name, value, "fr") == french


@pytest.mark.parametrize(
    "name",
    [
        "moment",
        "exact",
        "duration",
        "size",
        "score",
        "count",
        "percent",
        "word",
        "plain",
        "share",
        "rounded",
        "one_line",
    ],
)
def test_nothing_reads_as_a_dash(reads, name):
    assert reads(name, None) == reads(name, None, "fr") == "\N{EN DASH}"


@pytest.mark.parametrize("year", [1, 9999])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_time_at_an_end_of_the_calendar_reads_as_a_dash(reads, year, zone):
    time = datetime(year, 12 if year > 1 else 1, 31 if year > 1 else 1, 23, tzinfo=UTC)
    assert reads("moment", time, zone=zone) == "\N{EN DASH}"


@pytest.mark.parametrize("value", [[], {"a": 1}, float(2**62), "", -1])
def test_any_value_of_a_json_file_can_be_written(reads, value):
    assert isinstance(reads("plain", value), str)


def test_scores_and_mails_have_their_words():
    assert set(SCORES) | set(MAILS) <= set(language.WORDS)


def test_page_in_french_writes_dates_and_numbers_in_french(build, client):
    build.success()
    build.publish()
    found = " ".join(ask(client, "fr", zone="Europe/Paris").split())
    for part in ("23 nov. 2026, 20:30:00", "0,9700", "26,0 s", "107,0 ko"):
        assert part in found
