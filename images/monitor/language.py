"""The reader's language and time zone, and how values read in them."""

from __future__ import annotations

import contextlib
import zoneinfo
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache, lru_cache, wraps
from typing import Any
from urllib.parse import urlsplit

from babel import Locale
from babel.dates import format_skeleton, parse_pattern
from flask import Blueprint, Flask, current_app, redirect, request
from flask_babel import Babel, get_translations
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from werkzeug.wrappers import Response

from .reading.record import escaped

LANGUAGES = {"en": "English", "fr": "Français"}
NOTHING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
# A smaller p-value is not told more exactly.
LEAST = 0.0001
YEAR_SECONDS = 365 * 24 * 3600
# No catalog holds a longer text, and no file's is to be kept for having been looked up.
LONGEST = 500
# A text of a data file is shown up to here.
SHOWN = 300

blueprint = Blueprint("language", __name__)
# Language and zone of the reader whose request this thread answers. A page asks for them hundreds
# of times: more quickly here than in Flask's `g`.
READER: ContextVar[tuple[str, str]] = ContextVar("reader", default=("en", "UTC"))


def marked(text: str) -> str:
    """Mark a text for the catalog; it is translated where it is shown."""
    return text


SIZES = (
    marked("%(size)s B"),
    marked("%(size)s kB"),
    marked("%(size)s MB"),
    marked("%(size)s GB"),
    marked("%(size)s TB"),
)


def marked_plural(one: str, many: str) -> tuple[str, str]:
    """Mark a text with its plural for the catalog."""
    return one, many


COUNTED = {
    "rows_read": marked_plural("%(count)s row read", "%(count)s rows read"),
    "rows": marked_plural("%(count)s row", "%(count)s rows"),
    "rows_dropped": marked_plural("%(count)s row dropped", "%(count)s rows dropped"),
    "train_rows": marked_plural("%(count)s training row", "%(count)s training rows"),
    "test_rows": marked_plural("%(count)s test row", "%(count)s test rows"),
    "duplicate_rows_across": marked_plural(
        "%(count)s test row that equals a training row",
        "%(count)s test rows that equal a training row",
    ),
}
# The words of the volume's files, which are English there. The causes of exit_codes.toml are not
# repeated here: the catalogs have them from that file.
WORDS = {
    "success": marked("succeeded"),
    "failed": marked("failed"),
    "running": marked("in progress"),
    "queued": marked("queued"),
    "up_for_retry": marked("waits for another try"),
    "waiting": marked("waiting"),
    "not_run": marked("not run"),
    "up to date": marked("up to date"),
    "timed out": marked("timed out"),
    "contract broken": marked("contract broken"),
    "lost": marked("lost"),
    "image missing": marked("image missing"),
    "volume not mounted": marked("volume not mounted"),
    "mail not sent": marked("mail not sent"),
    "Docker unreachable": marked("Docker unreachable"),
    "Docker refused": marked("Docker refused"),
    "accuracy": marked("accuracy"),
    "average_precision": marked("average precision"),
    "roc_auc": marked("ROC AUC"),
    "log_loss": marked("log loss"),
    "brier_score": marked("Brier score"),
    "precision": marked("precision"),
    "recall": marked("recall"),
    "f1": marked("F1"),
    "roc_curve": marked("ROC curve"),
    "precision_recall_curve": marked("precision-recall curve"),
    "calibration_curve": marked("calibration curve"),
    "confusion_matrix": marked("confusion matrix"),
    "coefficients": marked("coefficients"),
    "positive_share": marked("share of clicks"),
    "psi": marked("PSI"),
    "majority_class": marked("always the majority class"),
    "hist_gradient_boosting": marked("gradient boosting"),
    "kolmogorov_smirnov": marked("Kolmogorov-Smirnov"),
    "chi_square": marked("chi-square"),
    "first": marked("first model"),
    "better": marked("better"),
    "not_worse": marked("not worse"),
    "worse": marked("worse"),
    "not_comparable": marked("not comparable"),
    "published": marked("published"),
    "refused": marked("refused"),
    "published_by_hand": marked("published by hand"),
    "rolled_back": marked("rolled back"),
    "success_email": marked("success mail"),
    "failure_email": marked("failure mail"),
    "dataset": marked("data set"),
    "file": marked("file"),
    "rows": marked("rows"),
    "feature": marked("feature"),
    "target": marked("target"),
    "group": marked("group"),
    "unused": marked("unused"),
    "integer": marked("integer"),
    "number": marked("number"),
    "category": marked("category"),
    "text": marked("text"),
    "time": marked("time"),
}


def init_app(app: Flask) -> None:
    """Choose language and zone for each request; register the filters of the templates."""
    babel = Babel(app, locale_selector=choose_language)
    with app.app_context():  # a language whose catalog was not compiled is not offered
        there = {str(locale) for locale in babel.list_translations()}
    languages = {code: name for code, name in LANGUAGES.items() if code in there}
    app.extensions["languages"] = languages
    app.before_request(meet_reader)
    app.register_blueprint(blueprint)
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        looked_up, plural, newstyle=True, pgettext=in_context
    )
    # The same as Jinja's own, at a third of its cost: a page asks for a hundred texts.
    app.jinja_env.globals["_"] = text_of_page
    for function in (
        *(moment, exact, duration, size, score, count, percent, counted),
        *(word, translated, capital, plain, one_line, rounded, share, signed, chance),
    ):
        app.add_template_filter(for_each_reader(function), function.__name__)


def for_each_reader(function: Callable[..., str]) -> Callable[..., str]:
    """Return a filter that Jinja calls for each page, never once when it compiles a template.

    It would do that with a constant, as in ``{{ "accuracy" | word }}``: then all readers got the
    language of the first one.
    """

    @pass_context
    @wraps(function)
    def call(_context: Context, *arguments: Any, **named: Any) -> str:
        return function(*arguments, **named)

    return call


def looked_up(text: str) -> str:
    """Return a text in the reader's language, its places as they are."""
    return look_up(text, reader()[0]) if len(text) <= LONGEST else text


def text_of_page(text: str, **values: Any) -> Markup:
    """Return a text in the reader's language as markup, with values, escaped, in their places.

    The text is the template's own, as is its translation: nothing that a file holds.
    """
    if values:
        return Markup(looked_up(text)) % values  # noqa: S704
    return plain_text(text, reader()[0])


@lru_cache(maxsize=1024)
def plain_text(text: str, language: str) -> Markup:
    """Return a text without places in the language, which is the reader's."""
    return Markup(look_up(text, language)) % {}  # noqa: S704


@lru_cache(maxsize=2048)
def look_up(text: str, language: str) -> str:
    """Return what the catalog of the language, which is the reader's, has for a text."""
    return str(get_translations().ugettext(text))


def plural(one: str, many: str, number: int) -> str:
    """Return the one text or the other, in the reader's language."""
    return str(get_translations().ungettext(one, many, number))


def in_context(context: str, text: str) -> str:
    """Return a text in the reader's language, where another place needs another form of it."""
    return str(get_translations().upgettext(context, text))


def gettext(text: str, **values: Any) -> str:
    """Return a text in the reader's language, with values in their places."""
    found = looked_up(text)
    return found % values if values else found


def choose_language() -> str:
    """Return the language that the reader chose, else the browser's best one."""
    languages: dict[str, str] = current_app.extensions["languages"]
    chosen = request.cookies.get("language", "")
    if chosen in languages:
        return chosen
    # Not best_match, for which fr-CH is no French while any other language fits.
    accepted = [code for code, quality in request.accept_languages if quality]
    wanted = (code.partition("-")[0].lower() for code in accepted)
    return next((code for code in wanted if code in languages), "en")


def choose_zone() -> str:
    """Return the time zone that the browser told, else UTC."""
    zone = request.cookies.get("zone", "")
    return zone if zone in zones() else "UTC"


@cache
def zones() -> frozenset[str]:
    """Return the names of all time zones; two that come with them name no place."""
    return frozenset(zoneinfo.available_timezones() - {"Factory", "localtime"})


def meet_reader() -> None:
    """Before a view: note who asks."""
    READER.set((choose_language(), choose_zone()))


def reader() -> tuple[str, str]:
    """Return what of the reader a page depends on."""
    return READER.get()


@blueprint.get("/language/<code>")
def choose(code: str) -> Response:
    """Remember the reader's language and go back to the page that they came from."""
    response = redirect(local_path(request.args.get("back", "/")))
    if code in LANGUAGES:
        response.set_cookie("language", code, max_age=YEAR_SECONDS, samesite="Lax", httponly=True)
    return response


def local_path(address: str) -> str:
    """Return an address if it is a path of this host, and ``/`` for whatever leads elsewhere."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    path = parts.path
    safe = path.startswith("/") and path[1:2] not in ("/", "\\") and path.isprintable()
    if parts.scheme or parts.netloc or not safe:
        return "/"
    return f"{path}?{parts.query}" if parts.query else path


@cache
def time_writer(language: str, zone: str) -> Callable[[datetime], str]:
    """Return what writes times in a language and a zone.

    Babel's own ``format_datetime`` finds pattern, locale and zone anew for each time.
    """
    locale, place = Locale(language), zoneinfo.ZoneInfo(zone)
    parts = locale.time_formats["medium"].pattern, locale.date_formats["medium"].pattern
    joined = str(locale.datetime_formats["medium"]).replace("'", "").format(*parts)
    pattern = parse_pattern(joined)
    return lambda time: str(pattern.apply(time.astimezone(place), locale))


@cache
def separators(language: str) -> dict[int, str]:
    """Return what stands for Python's signs of thousands and of the decimal point."""
    symbols = Locale(language).number_symbols["latn"]
    return {ord(","): symbols["group"], ord("."): symbols["decimal"]}


def written(value: float, form: str) -> str:
    """Return a number, formatted as Python does, with the signs of the reader's language."""
    return format(value, form).translate(separators(reader()[0]))


def moment(time: datetime | None) -> str:
    """Return a time in the reader's zone as a person reads it."""
    return time_writer(*reader())(time) if time and shown(time) else NOTHING


def day(time: datetime) -> str:
    """Return a time's day in the reader's zone, as short as a person writes it."""
    language, zone = reader()
    place = zoneinfo.ZoneInfo(zone)
    return str(format_skeleton("MMMd", time, tzinfo=place, locale=language))


def exact(time: datetime | None) -> str:
    """Return a time to the millisecond, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC" if time else NOTHING


def shown(time: datetime) -> bool:
    """Return whether a time can be shown in any zone: not at the ends of the calendar."""
    return 1 < time.year < 9999


def duration(seconds: float | None) -> str:
    """Return a duration, the shorter the more precise."""
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return gettext("%(seconds)s s", seconds=written(seconds, ".2f"))
    if seconds < 60:
        return gettext("%(seconds)s s", seconds=written(seconds, ".1f"))
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return gettext("%(minutes)s min %(seconds)s s", minutes=minutes, seconds=rest)
    return gettext("%(hours)s h %(minutes)s min", hours=written(hours, ",d"), minutes=minutes)


def size(count: float | None) -> str:
    """Return a number of bytes in the largest fitting unit of 1000."""
    if count is None:
        return NOTHING
    value, unit = float(count), 0
    while value >= 1000 and unit < len(SIZES) - 1:
        value, unit = value / 1000, unit + 1
    return gettext(SIZES[unit], size=written(value, ",.1f" if unit else ",.0f"))


def score(value: float | None) -> str:
    """Return a measure with four decimals."""
    return NOTHING if value is None else written(value, ",.4f")


def signed(value: float | None) -> str:
    """Return a difference of measures with its sign."""
    return NOTHING if value is None else written(value, "+,.4f").replace("-", MINUS)


def chance(value: float | None) -> str:
    """Return a p-value: how often chance alone makes such a difference."""
    if value is None:
        return NOTHING
    if value < LEAST:
        return gettext("p < %(value)s", value=written(LEAST, ".4f"))
    return gettext("p = %(value)s", value=written(value, ".4f"))


def count(value: float | None) -> str:
    """Return a count with thousands set apart."""
    return NOTHING if value is None else written(value, ",d" if isinstance(value, int) else ",.10g")


def percent(value: float | None) -> str:
    """Return a share of 1 as a whole percentage."""
    return NOTHING if value is None else gettext("%(share)s %%", share=written(100 * value, ",.0f"))


def counted(number: float, what: str) -> str:
    """Return how many rows there are of what a stage counts: ``1,000 rows``."""
    if what in COUNTED:
        return plural(*COUNTED[what], int(number)) % {"count": count(number)}
    return f"{count(number)} {word(what)}"


def word(name: str | None) -> str:
    """Return a word of the volume's files in the reader's language; others read as they are."""
    if not name:
        return NOTHING
    if name in WORDS:
        return looked_up(WORDS[name])
    known = looked_up(name)
    return known if known != name else name.replace("_", " ")


def translated(text: str, values: Mapping[str, object] | None = None) -> str:
    """Return a text of a file in the reader's language if a catalog knows it, else as it is.

    ``values`` are for its places, as in ``%(run)s``; an error among them is translated too.
    """
    words = {
        name: translated(str(value)) if isinstance(value, Exception) else value
        for name, value in (values or {}).items()
    }
    found = looked_up(text) if text else text
    return found % words if words else found


def capital(text: str) -> str:
    """Return a text with a capital at its start and the rest as it is: ``ROC`` stays."""
    return text[:1].upper() + text[1:]


def rounded(value: float | str | None) -> str:
    """Return a number of the data with five digits, a whole one with all; a time as it is."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, int) or value is None:
        return count(value)
    return written(value, ",.5g" if abs(value) < 1e5 else ",.0f" if abs(value) < 1e15 else ".5g")


def share(value: float | None) -> str:
    """Return a share of 1 as a percentage of three digits, for what can be rare."""
    return NOTHING if value is None else gettext("%(share)s %%", share=written(100 * value, ".3g"))


def one_line(value: Any, limit: int = SHOWN) -> str:
    """Return a value of a data file on one line, shortened; what is not printable is escaped."""
    text = escaped(plain(value)[: limit + 1])
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def plain(value: Any) -> str:
    """Return a value of a JSON file as it is written on a command line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or value == "":
        return NOTHING
    with contextlib.suppress(ValueError, OverflowError):
        if isinstance(value, float):
            return f"{value:g}"
    return str(value)
