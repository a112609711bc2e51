"""Cases about the target: what is no click and no other answer."""

from __future__ import annotations

from collections.abc import Iterator

from tests.hostile.cases import CONTRACTS, PLAIN, Case, bad_cell, either, good_cell, refused, same

TARGET = "Clicked on Ad"


def cases() -> list[Case]:
    """Return the cases of this theme."""
    return [*numbers(), *words(), *classes(), *duplicates()]


def numbers() -> Iterator[Case]:
    """A target of 0 and 1 that holds something else."""
    for name, written in (
        ("two", "2"), ("minus_one", "-1"), ("half", "0.5"), ("yes", "yes"), ("no", "No"),
        ("true", "True"), ("false", "false"), ("letter", "y"), ("word", "clicked"), ("na", "NA"),
        ("nan", "nan"), ("space", " "), ("fullwidth", "\uff11"), ("arabic", "\u0661"),
        ("roman", "I"), ("letter_l", "l"), ("letter_o", "O"), ("formula", "=1"), ("bool", "1b"),
        ("ten", "10"), ("binary", "0b1"), ("percent", "100%"), ("tick", "\u2713"),
        ("probability", "0.97"), ("nearly", "0.9999999999999999"), ("tiny", "1e-400"),
        ("nul", "1\0"), ("zero_width", "1\u200b"), ("superscript", "\u00b9"),
    ):  # fmt: skip
        yield bad_cell(f"target_{name}", TARGET, written)
    for name, written, value in (
        ("one_point_zero", "1.0", 1), ("plus_one", "+1", 1), ("leading_zero", "01", 1),
        ("minus_zero", "-0", 0), ("exponent", "1e0", 1), ("space_behind", "1 ", 1),
    ):  # fmt: skip
        yield either(
            f"target_{name}", f"the target holds {written!r}",
            PLAIN.cell(5, TARGET, written).text(), line=5, column=TARGET,
            holds=((3, TARGET, value),),
        )  # fmt: skip


def words() -> Iterator[Case]:
    """A target of words: only the two of the contract, letter by letter."""
    for name, written in (
        ("other_word", "maybe"), ("capital", "Yes"), ("upper", "NO"), ("space", "yes "),
        ("one", "1"), ("true", "true"), ("short", "y"), ("empty", ""), ("cyrillic", "n\u043e"),
        ("formula", '"=""yes"""'), ("both", "yesno"),
    ):  # fmt: skip
        yield bad_cell(f"target_of_words_{name}", "bought", written, contract="shop")
    yield good_cell("target_of_words", "bought", "yes", 1, contract="shop")
    yield good_cell("target_of_words_quoted", "bought", '"yes"', 1, contract="shop")


def classes() -> Iterator[Case]:
    """Files from which nothing can be learned."""
    for value in ("0", "1"):
        sheet = PLAIN
        for line in range(2, 14):
            sheet = sheet.cell(line, TARGET, value)
        yield refused(
            f"only_class_{value}", f"every row's target is {value}", sheet.text(), "class",
            column=TARGET,
        )  # fmt: skip
    sheet = PLAIN
    for line in range(2, 13):
        sheet = sheet.cell(line, TARGET, "0")
    holds = tuple((row, TARGET, 0) for row in range(11))
    yield same("one_click_only", "a single row is a click", sheet.cell(13, TARGET, "1").text(),
               holds=(*holds, (11, TARGET, 1)))  # fmt: skip
    sheet = CONTRACTS["shop"][1]
    for line in range(2, 14):
        sheet = sheet.cell(line, "bought", "no")
    yield refused("only_class_of_words", "every row's target is no", sheet.text(),
                  column="bought", contract="shop")  # fmt: skip


def duplicates() -> Iterator[Case]:
    """Rows that repeat or contradict each other, under contracts that mind."""
    for contract in ("strict", "once"):
        sheet = CONTRACTS[contract][1]
        cells = dict(zip(sheet.header, sheet.rows[3], strict=True))
        answer = "no" if cells["bought"] == "yes" else "yes"
        contrary = ",".join({**cells, "bought": answer}.values())
        text = sheet.text() + contrary + "\n"
        if contract == "strict":
            yield refused("rows_contradict", "two rows have equal features and two answers",
                          text, contract=contract)  # fmt: skip
        other = {**cells, "note": "another note"}
        again = sheet.text() + ",".join(other.values()) + "\n"
        if contract == "once":
            yield Case(
                "row_twice_dropped", "a row again, but for an unused cell, is dropped and counted",
                "same", again.encode(), contract=contract, dropped=1,
            )  # fmt: skip
