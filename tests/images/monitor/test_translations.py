"""The monitor speaks French: its catalog is whole, and no page falls back into English."""

from __future__ import annotations

import importlib
import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from jinja2 import Environment
from tests.images.monitor.conftest import (
    COMPARISON,
    CONTRACT,
    DRIFT,
    MEASURED,
    METRICS,
    PUBLISHED_FILES,
)
from tests.images.monitor.predictor_server import PredictorServer

ROOT = Path(__file__).resolve().parents[3]
MONITOR = ROOT / "images/monitor"
CATALOG = MONITOR / "translations/fr/LC_MESSAGES/messages.po"
TEMPLATES = sorted((MONITOR / "templates").rglob("*.html"))
# What reads the same in every language and needs no translation.
NAMES = {"API", "Airflow", "Prometheus", "sha256"}
READ_ALOUD = {"alt", "aria-label", "placeholder", "title"}
SHOWN_BY_SCRIPTS = {"data-auto", "data-dark", "data-done", "data-label", "data-light"}
CHART_TEXTS = {"axis", "gain", "label", "labels", "loss", "now", "refused"}
CODE = {"code", "pre", "script", "style"}
VOID = {"base", "br", "hr", "img", "input", "link", "meta"}
# Words that stand in nearly every English sentence and in no French one.
ENGLISH = re.compile(
    r"(?<![\w/-])(an|and|at|been|by|failed|for|from|has|have|is|it|its|no|none|of|rows?|runs?|since|"
    r"started|succeeded|that|the|there|this|to|was|what|with|without|yet)(?![\w=/-])",
    re.IGNORECASE,
)
FRENCH = {"Accept-Language": "fr-FR,fr;q=0.9,en;q=0.5"}
NO_BREAK, NARROW = "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"


class Texts(HTMLParser):
    """Collects what a person reads or hears of a page, but for code and for what is English."""

    def __init__(self, attributes):
        super().__init__()
        self.attributes = attributes
        self.found = []
        self.within = [("", False)]

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        hidden = self.within[-1][1] or tag in CODE or values.get("lang") == "en"
        if not hidden:
            self.found += [values[name] for name in self.attributes & values.keys()]
            self.found += chart_texts(json.loads((values.get("data") or "").strip() or "{}"))
        if tag not in VOID:
            self.within.append((tag, hidden))

    def handle_endtag(self, tag):
        while self.within.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if not self.within[-1][1]:
            self.found.append(data)


def chart_texts(chart):
    """Return the texts in a chart's data."""
    if isinstance(chart, list):
        return [text for item in chart for text in chart_texts(item)]
    if not isinstance(chart, dict):
        return []
    shown = [value for name, value in chart.items() if name in CHART_TEXTS]
    flat = [text for value in shown for text in ([value] if isinstance(value, str) else value)]
    return flat + chart_texts(list(chart.values()))


def texts(page, attributes=READ_ALOUD | SHOWN_BY_SCRIPTS):
    parser = Texts(attributes)
    parser.feed(page)
    return [" ".join(text.split()) for text in parser.found if text.strip()]


def bare_texts(template):
    """Return the texts with letters that stand in a template outside of any expression."""
    tokens = Environment(extensions=["jinja2.ext.i18n"]).lex(template)
    markup = "".join(value if kind == "data" else " " for _, kind, value in tokens)
    words = (word.strip(".,;:()") for text in texts(markup) for word in text.split())
    return [word for word in words if re.search(r"[^\W\d_]", word) and word not in NAMES]


@pytest.fixture(scope="module")
def messages():
    """The script that keeps the catalogs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "scripts")
        yield importlib.import_module("messages")


@pytest.fixture(scope="module")
def catalog():
    with CATALOG.open("rb") as file:
        return read_po(file, locale="fr")


def strings(message):
    return list(message.string) if message.pluralizable else [message.string]


def test_catalog_holds_every_text_of_the_monitor_and_no_other(messages, catalog):
    texts = {(message.id, message.context) for message in messages.gather()}
    known = {(message.id, message.context) for message in catalog}
    assert known - texts == set(), "obsolete: run make messages"
    assert texts - known == set(), "missing: run make messages, then translate them"


def test_make_messages_would_change_nothing(messages):
    assert CATALOG.read_bytes() == messages.renew(messages.read(CATALOG), messages.gather())


def test_every_text_is_translated(messages, catalog):
    assert messages.untranslated(catalog) == []


def test_places_for_values_are_those_of_the_text(catalog):
    def places(text):
        return sorted(re.findall(r"%\(\w+\)\w|%(?!\()", text))

    for message in catalog:
        source = message.id[-1] if message.pluralizable else message.id
        for string in strings(message) if message.id else ():
            assert places(string) == places(source), source


def test_french_is_set_as_french_wants_it(catalog):
    for message in catalog:
        for string in strings(message) if message.id else ():
            assert not re.search(r"['\"]|\.\.\.", string), string
            assert not re.search(rf"(?<!{NO_BREAK}):(?=\s|$)| :", string), string
            assert not re.search(rf"(?<!{NARROW})[;?!]", string), string
            assert not re.search(rf"«(?!{NO_BREAK})|(?<!{NO_BREAK})»", string), string


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_template_holds_no_text_outside_of_its_messages(path):
    assert bare_texts(path.read_text()) == []


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("<p>Runs of {{ name }}</p>", ["Runs", "of"]),
        ("<img alt='A {{ kind }}'>", ["A"]),
        ("{% if a %}Yes{% else %}{{ _('No') }}{% endif %}", ["Yes"]),
        ("<p title=\"{{ _('Hi') }}\" class='small'>{{ _('Runs') }}, <code>make run</code></p>", []),
        ("{# a note #}<p>API</p><script>let a</script>", []),
    ],
)
def test_scan_of_templates_finds_bare_texts(template, found):
    assert bare_texts(template) == found


@pytest.fixture
def filled(build):
    """A volume with a run of every kind."""
    day = timedelta(days=1)
    build.success("a-old", started=build.start - day)
    build.success()
    parts = {"metrics": METRICS | MEASURED, "comparison": COMPARISON, "drift": DRIFT}
    build.publish(contract=CONTRACT, files=PUBLISHED_FILES, **parts)
    build.validation(
        valid=False,
        unknown_columns=["Colour"],
        violations=1,
        violations_by_rule={"is not an integer": 1},
        first_violations=[{"line": 7, "column": "Age", "value": "x", "rule": "is not an integer"}],
    )
    build.failure("b-bad-data", started=build.start + day)
    build.refusal("c-missed", started=build.start + 2 * day)
    build.stages(("start_pipeline",), "d-retried", build.start + 3 * day, tasks=True)
    told = {"cause": "crashed", "message": "no", "advice": "Ask Zoe.", "exit_code": 70}
    tries = [build.attempt(1, build.start + 3 * day)]
    build.task("load_data", "up_for_retry", "d-retried", try_number=2, tries=tries, **told)
    build.running("e-live", started=build.start + 4 * day)
    build.not_published("g-worse", started=build.start + 5 * day)
    build.decision("published_by_hand", "a-old", previous="b-bad-data")
    build.mail()
    build.mail("2.M1P1.mailbox", subject="", text=None, html="<p>Hi</p>")
    return build


@pytest.fixture
def french(serve, translations):
    """Return a function that gets the pages at some addresses, in French after English."""

    def get(*addresses, **settings):
        client = serve(**settings)
        for address in addresses:
            client.get(address, headers={"Accept-Language": "en"})
            yield client.get(address, headers=FRENCH, follow_redirects=True).text

    return get


def english(page, catalog):
    """Return the texts of a page that are English and do not say so."""
    ids = [m.id if m.pluralizable else (m.id,) for m in catalog if m.id not in strings(m)]
    known = {text for both in ids for text in both}
    assert '<html lang="fr">' in page
    assert "Erreur interne" not in page
    return [text for text in texts(page) if text in known or ENGLISH.search(text)]


PAGES = (
    *("/home", "/success", "/failure", "/model", "/api/", "/embed/", "/nowhere", "/mails"),
    *("/mails?q=zebra", "/mails/1.M1P1.mailbox", "/mails/2.M1P1.mailbox", "/mails/zebra"),
    *("/predict", "/predict?Age=3", "/runs/g-worse"),
    *("/runs", "/runs?q=zebra", "/runs?sort=accuracy&order=asc", "/runs/zebra", "/runs/a b"),
    *("/runs/a-old", "/runs/b-bad-data", "/runs/c-missed", "/runs/d-retried", "/runs/e-live"),
    *("/compare", "/compare?run=a-old&run=c-missed&run=zebra", "/compare?run=a-old"),
    "/runs/a-old/artifacts/zebra",
)


def test_every_page_is_french(filled, french, catalog):
    pages = zip(PAGES, french(*PAGES), strict=True)
    found = {address: left for address, page in pages if (left := english(page, catalog))}
    assert found == {}


@pytest.mark.parametrize("status", [200, 422, 503])
def test_what_the_predictor_says_is_french_or_says_that_it_is_not(filled, french, catalog, status):
    predictor = PredictorServer()
    if status != 200:
        rules = (
            [{"row": 0, "field": "Age", "rule": "the value is missing"}] if status == 422 else []
        )
        predictor.refuse(status, detail="no model is published yet", errors=rules)
    (page,) = french("/predict?Age=3", PREDICTOR_URL=predictor.url)
    predictor.stop()
    assert english(page, catalog) == []
    assert "Prédire" in page
    (page,) = french("/predict?Age=3", PREDICTOR_URL=predictor.url)
    assert english(page, catalog) == []
    assert "Le prédicteur ne répond pas" in page


def test_every_page_of_an_empty_volume_is_french(build, french, catalog):
    pages = french("/", "/success", "/failure", "/runs", "/compare", "/model", "/mails", "/embed/")
    assert [english(page, catalog) for page in pages] == [[]] * 8


def test_page_of_a_missing_volume_is_french(build, french, catalog):
    (page,) = french("/home", SHARED_VOLUME=build.root / "zebra")
    assert "Le volume partagé ne peut pas être lu" in page
    assert english(page, catalog) == []


def test_page_for_the_password_is_french(build, french, catalog):
    (page,) = french("/", MONITOR_PASSWORD="a long enough one")
    assert "Mot de passe" in page
    assert english(page, catalog) == []


@pytest.mark.parametrize("error", [None, "no answer"])
def test_what_airflow_says_is_french(error, build, serve, translations, catalog):
    build.running()
    client = serve()
    waiting = {"run_id": "f-waiting", "state": "queued", "queued": build.start.isoformat()}
    client.application.extensions["watch"].index.note(
        live_asked=datetime.now(UTC).timestamp(),
        live_error=error,
        live_runs=json.dumps([waiting]),
    )
    for address in ("/home", f"/runs/{build.run}", "/runs/f-waiting"):
        assert english(client.get(address, headers=FRENCH).text, catalog) == []


def test_numbers_and_times_read_as_in_french(filled, french):
    (page,) = french(f"/runs/{filled.run}")
    assert "0,9700" in page
    assert f"1{NARROW}000 lignes" in page
    assert f"1,0{NO_BREAK}Mo" in page
    assert f"95{NO_BREAK}%" in page
    assert "23 nov. 2026, 19:30:00" in page


def test_none_is_singular_in_french(filled, french):
    (page,) = french(f"/runs/{filled.run}")
    assert "0 ligne écartée" in page


def test_filter_of_causes_agrees_with_its_word(filled, french):
    (page,) = french("/runs")
    assert page.count('<option value="">tous</option>') == 3
    assert page.count('<option value="">toutes</option>') == 1


def test_advice_of_the_error_contract_is_french(filled, french):
    (page,) = french("/runs/b-bad-data")
    assert "load_data a échoué : données refusées" in page.replace(NO_BREAK, " ")
    assert "<span>Corrigez le fichier à la ligne et à la colonne citées" in page


def test_advice_that_no_catalog_knows_stays_and_is_marked_as_english(filled, french):
    (page,) = french("/runs/d-retried")
    assert '<span lang="en">Ask Zoe.</span>' in page


def test_error_says_in_french_what_is_missing(build, french):
    (page,) = french("/runs/zebra")
    assert (
        "<span>Le volume partagé ne contient pas d\N{RIGHT SINGLE QUOTATION MARK}exécution" in page
    )


def test_programs_get_errors_in_english(build, serve, translations):
    client = serve()
    answer = client.get("/api/runs/zebra", headers=FRENCH).json
    assert answer["detail"] == "There is no run zebra on the shared volume."


def test_monitor_without_compiled_catalogs_speaks_english(build, serve, tmp_path):
    build.success()
    client = serve(BABEL_TRANSLATION_DIRECTORIES=str(tmp_path / "none"))
    page = client.get("/success", headers=FRENCH).text
    assert '<html lang="en">' in page
    assert "The run succeeded" in page
    assert "Français" not in page
