"""Columns of text that are meant to be numbers, and labels that differ in blanks, case or accents alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import category, normalize

__all__ = ["FEW_LEVELS", "Spoilt", "gaps", "is_number", "spoilt", "twins"]

FEW_LEVELS = 10
"""The most distinct numbers as text that are taken, with a warning, for levels of a factor."""

_NUMBER = re.compile(r"[+\-−]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WRITTEN = re.compile(r"(?P<sign>[+\-−]?)(?P<whole>\d+)(?:\.(?P<part>\d*))?")
_RANGE = re.compile(r"\d[\d.]*\s*(?:-|–|—|to)\s*\d[\d.]*\+?")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T].*)?")
_GAPS = frozenset(
    {"", ".", "..", "-", "--", "—", "?", "*", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "nil", "missing"}
    | {"unknown", "n.a.", "nd", "n.d.", "nr", "#div/0!", "#value!", "#ref!", "#null!", "#num!", "inf", "-inf"}
)
_UNIT = re.compile(r"(?P<number>.*?\d\.?)\s*(?P<unit>[^\W\d_][^\d\s]{0,11}|°\s?[CF]?|%|‰)")
_IMPURITIES = (
    ("thousands marks", re.compile(r"[+\-−]?\d{1,3}(?:[,'’ .]\d{3})*(?:[,'’ ]\d{3})(?:\.\d+)?")),
    ("a decimal comma", re.compile(r"[+\-−]?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+(?:[eE][+-]?\d+)?|[+\-−]?,\d+")),
    ("a currency", re.compile(r"[+\-−]?\s*[$€£¥₹]\s*[+\-−]?[\d.,'’ ]*\d|[+\-−]?\d[\d.,'’ ]*\s*[$€£¥₹]")),
    ("a sign of comparison", re.compile(r"(?:[<>≤≥~≈]=?|=|about |ca\.? )\s*[\d.,]*\d|[\d.,]*\d\s*\+")),
    ("a footnote or brackets", re.compile(r"[\d.,]*\d\s*[*†‡^]+|\(\s*[\d.,]*\d\s*\)|\[\s*[\d.,]*\d\s*\]")),
)


_BESIDE_NUMBERS = ("a sign of comparison", "a footnote or brackets")
"""Impurities of labels such as the band <5 or the answer (1), unless plain numbers occur as well."""


@dataclass(frozen=True)
class Spoilt:
    """The impurities of a column of numbers that was read as text.

    Parameters
    ----------
    odd
        The labels that are not plain numbers.
    what
        Their impurities: `"marks of missing values"`, `"thousands marks"`, `"words"` …; empty where all are plain.
    uniform
        Whether all labels have the same form, so that they may be names of levels.
    """

    odd: tuple[str, ...]
    what: tuple[str, ...]
    uniform: bool


def spoilt(labels: Sequence[str]) -> Spoilt | None:
    """Return the impurities of a column of mostly numbers; None for a column of labels.

    A column with bands such as `5-9`, or with several units, is one of labels.
    """
    if any(_RANGE.fullmatch(text.strip()) for text in labels):
        return _dates(labels)
    impurities = {text: _impurity(text) for text in labels}
    plain = sum(impurity == "" for impurity in impurities.values())
    units = {impurity for impurity in impurities.values() if impurity.startswith("the unit")}
    for text, impurity in impurities.items():
        if (impurity in units and len(units) > 1) or (impurity in _BESIDE_NUMBERS and not plain):
            impurities[text] = "words"
    words = sum(impurity == "words" for impurity in impurities.values())
    if words and not plain:  # placebo, 5 mg, 10 mg
        impurities = {text: "words" if impurity in units else impurity for text, impurity in impurities.items()}
        words = sum(impurity == "words" for impurity in impurities.values())
    absent = sum(impurity == "marks of missing values" for impurity in impurities.values())
    numbers = len(impurities) - absent - words
    if numbers <= words or (numbers == 1 and not plain):
        return _dates(labels)
    odd = tuple(text for text, impurity in impurities.items() if impurity)
    what = tuple(dict.fromkeys(impurity for impurity in impurities.values() if impurity))
    alike = len(set(impurities.values())) == 1 and (not what or what[0] in units or what[0] == "a currency")
    return Spoilt(odd, what, alike)


def gaps(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the marks of missing values among labels that are otherwise plain numbers; else the blank labels."""
    marks = tuple(text for text in labels if _impurity(text) == "marks of missing values")
    others = [text for text in labels if text not in marks]
    numbers = bool(others) and all(not _impurity(text) for text in others)
    return marks if numbers else tuple(text for text in marks if text and not text.strip())


def twins(labels: Sequence[str]) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """Return sets of labels that differ in blanks alone, and sets that differ in case, accents or zeros as well."""
    spaced: dict[str, list[str]] = {}
    folded: dict[str, list[str]] = {}
    for text in labels:
        spaced.setdefault(_unspaced(text) or text, []).append(text)
    for text in spaced:
        folded.setdefault(_folded(text), []).append(text)
    blanks = tuple(tuple(same) for same in spaced.values() if len(same) > 1)
    return blanks, tuple(tuple(spaced[text][0] for text in same) for same in folded.values() if len(same) > 1)


def is_number(text: str) -> bool:
    """Whether a label is a plain number."""
    return _NUMBER.fullmatch(text) is not None


def _impurity(text: str) -> str:
    """Return what a label holds beside a number: empty for a plain number, `"words"` for no number."""
    if _NUMBER.fullmatch(text):
        return ""
    bare = text.strip()
    if bare.lower() in _GAPS:
        return "marks of missing values"
    if _NUMBER.fullmatch(bare):
        return "blanks"
    for impurity, pattern in _IMPURITIES:
        if pattern.fullmatch(bare):
            return impurity
    match = _UNIT.fullmatch(bare)
    if match and _impurity(match["number"]) in ("", "thousands marks", "a decimal comma"):
        return f"the unit {match['unit']}"
    return "words"


def _dates(labels: Sequence[str]) -> Spoilt | None:
    """Return the dates of a column of text, if more than `FEW_LEVELS` and over half of its labels are dates."""
    dates = tuple(text for text in labels if _DATE.fullmatch(text.strip()))
    if len(dates) <= FEW_LEVELS or 2 * len(dates) <= len(labels):
        return None
    return Spoilt(dates, ("dates",), False)


def _unspaced(text: str) -> str:
    """Return a label stripped, with single blanks and without invisible characters."""
    if text.isascii() and text == text.strip() and "  " not in text and text.isprintable():
        return text
    return " ".join("".join(char for char in text if category(char) != "Cf").split())


def _folded(text: str) -> str:
    """Return a label in lower case without accents, or a number without redundant zeros."""
    if match := _WRITTEN.fullmatch(text):
        whole, part = match["whole"].lstrip("0") or "0", (match["part"] or "").rstrip("0")
        return f"{'-' if match['sign'] in ('-', '−') else ''}{whole}{'.' if part else ''}{part}"
    if text.isascii():
        return text.lower()
    apart = normalize("NFD", text)
    return "".join(char for char in apart if not "\u0300" <= char <= "\u036f").casefold()
