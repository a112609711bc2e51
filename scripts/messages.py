"""Keep the catalogs of the monitor's texts: a message for each text, none for what is gone.

python scripts/messages.py    # what make messages does

Texts are gathered as ``images/monitor/babel.cfg`` says; a new one stands untranslated in each
``messages.po`` until a person translates it. Two homes of texts are read by the extractors here:
``exit_codes.toml``, and the advice that the orchestration gives on failures that it alone sees.

A new language is an empty ``messages.po`` in a folder of its name, and a line in ``language.py``.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from babel.messages import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
MONITOR = ROOT / "images" / "monitor"
SEARCHED = ("images", "orchestration")
# No names and no dates: two runs of this program write the same.
HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: {plurals}\\n"

"""

# What Babel takes from an extractor: line, function (None), text, comments.
Found = Iterator[tuple[int, None, str, list[str]]]


def read_exit_codes(file: IO[bytes], *_: Any, **_options: Any) -> Found:
    """Yield each cause of ``exit_codes.toml``, and what to do about it."""
    for entry in tomllib.load(file).values():
        for text in (entry["cause"], entry["advice"]):
            if text:
                yield 0, None, text, []


def read_advice(file: IO[bytes], *_: Any, **_options: Any) -> Found:
    """Yield each text that a module gives as ``advice``."""
    for node in ast.walk(ast.parse(file.read())):
        for keyword in node.keywords if isinstance(node, ast.Call) else ():
            text = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            if keyword.arg == "advice" and isinstance(text, str):
                yield keyword.lineno, None, text, []


def gather() -> Catalog:
    """Return every text of the monitor, untranslated."""
    with (MONITOR / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    found = Catalog()
    for _, _, text, _, context in extract_from_dir(
        ROOT,
        methods,
        options,
        DEFAULT_KEYWORDS,
        directory_filter=lambda path: Path(path).relative_to(ROOT).parts[0] in SEARCHED,
    ):
        found.add(text, context=context)
    return found


def catalogs() -> list[Path]:
    """Return the catalog of each language."""
    return sorted((MONITOR / "translations").glob("*/LC_MESSAGES/messages.po"))


def read(path: Path) -> Catalog:
    """Return a catalog; its folder names its language."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parents[1].name)


def renew(catalog: Catalog, texts: Catalog) -> bytes:
    """Return the file of a catalog that holds just these texts."""
    catalog.update(texts, no_fuzzy_matching=True)
    content = BytesIO()
    write_po(
        content,
        catalog,
        width=0,
        no_location=True,
        omit_header=True,
        sort_output=True,
        ignore_obsolete=True,
    )
    header = HEADER.format(language=catalog.locale_identifier, plurals=catalog.plural_forms)
    return header.encode() + content.getvalue().rstrip(b"\n") + b"\n"


def untranslated(catalog: Catalog) -> list[str]:
    """Return the texts without a translation, or without one of its plural forms, or unsure."""
    found = []
    for message in catalog:
        strings = message.string or ""
        whole = all([strings] if isinstance(strings, str) else strings)
        if message.id and (message.fuzzy or not whole):
            found.append(str(message.id))
    return found


def main() -> None:
    """Write each catalog anew, and say what is left to translate."""
    texts = gather()
    for path in catalogs():
        catalog = read(path)
        content = renew(catalog, texts)
        # A catalog that is as it was is not written: it would be compiled anew, and may be read.
        if content != path.read_bytes():
            path.write_bytes(content)
        missing = untranslated(catalog)
        print(f"messages: {path.relative_to(ROOT)}: {len(missing)} of {len(texts)} to translate")
        for text in missing:
            print(f"  {text}")


if __name__ == "__main__":
    main()
