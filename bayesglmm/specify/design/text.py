"""Text that is not what it seems: numbers with something among them, and labels that differ in next to nothing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import category, normalize

__all__ = ["FEW_LEVELS", "Spoilt", "gaps", "is_number", "spoilt", "twins"]

FEW_LEVELS = 10
"""Numbers as text are taken for the levels of a factor, with a warning, where there are at most so many."""

_NUMBER = re.compile(r"[+\-−]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WRITTEN = re.compile(r"(?P<sign>[+\-−]?)(?P<whole>\d+)(?:\.(?P<part>\d*))?")
_RANGE = re.compile(r"\d[\d.]*\s*(?:-|–|—|to)\s*\d[\d.]*\+?")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T].*)?")
_GAPS = frozenset(
    {"", ".", "..", "-", "--", "—", "?", "*", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "nil", "missing"}
    | {"unknown", "n.a.", "nd", "n.d.", "nr", "#div/0!", "#value!", "#ref!", "#null!", "#num!", "inf", "-inf"}
)
_UNIT = re.compile(r"(?P<number>.*?\d\.?)\s*(?P<unit>[^\W\d_][^\d\s]{0,11}|°\s?[CF]?|%|‰)")
_DRESSES = (
    ("thousands marks", re.compile(r"[+\-−]?\d{1,3}(?:[,'’ .]\d{3})*(?:[,'’ ]\d{3})(?:\.\d+)?")),
    ("a decimal comma", re.compile(r"[+\-−]?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+(?:[eE][+-]?\d+)?|[+\-−]?,\d+")),
    ("a currency", re.compile(r"[+\-−]?\s*[$€£¥₹]\s*[+\-−]?[\d.,'’ ]*\d|[+\-−]?\d[\d.,'’ ]*\s*[$€£¥₹]")),
    ("a sign of comparison", re.compile(r"(?:[<>≤≥~≈]=?|=|about |ca\.? )\s*[\d.,]*\d|[\d.,]*\d\s*\+")),
    ("a footnote or brackets", re.compile(r"[\d.,]*\d\s*[*†‡^]+|\(\s*[\d.,]*\d\s*\)|\[\s*[\d.,]*\d\s*\]")),
)


_BESIDE_NUMBERS = ("a sign of comparison", "a footnote or brackets")
"""What makes a label of a number, such as the band <5 or the answer (1), unless plain numbers stand beside it."""


@dataclass(frozen=True)
class Spoilt:
    """What stands among numbers that were read as text.

    Parameters
    ----------
    odd
        The labels that are no plain numbers.
    what
        What they are: `"marks of missing values"`, `"thousands marks"`, `"words"` …; empty where all are plain.
    uniform
        Whether all labels are written alike, so that they may be names of levels.
    """

    odd: tuple[str, ...]
    what: tuple[str, ...]
    uniform: bool


def spoilt(labels: Sequence[str]) -> Spoilt | None:
    """Return what makes text of a column whose values are numbers for the most part; None where they are labels.

    Bands such as `5-9` are labels, and then so is all that stands beside them; so are units that differ.
    """
    if any(_RANGE.fullmatch(text.strip()) for text in labels):
        return _dates(labels)
    kinds = {text: _kind(text) for text in labels}
    plain = sum(kind == "" for kind in kinds.values())
    units = {kind for kind in kinds.values() if kind.startswith("the unit")}
    for text, kind in kinds.items():
        if (kind in units and len(units) > 1) or (kind in _BESIDE_NUMBERS and not plain):
            kinds[text] = "words"
    words = sum(kind == "words" for kind in kinds.values())
    if words and not plain:  # placebo, 5 mg, 10 mg
        kinds = {text: "words" if kind in units else kind for text, kind in kinds.items()}
        words = sum(kind == "words" for kind in kinds.values())
    absent = sum(kind == "marks of missing values" for kind in kinds.values())
    numbers = len(kinds) - absent - words
    if numbers <= words or (numbers == 1 and not plain):
        return _dates(labels)
    odd = tuple(text for text, kind in kinds.items() if kind)
    what = tuple(dict.fromkeys(kind for kind in kinds.values() if kind))
    alike = len(set(kinds.values())) == 1 and (not what or what[0] in units or what[0] == "a currency")
    return Spoilt(odd, what, alike)


def gaps(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the marks of missing values among labels that are all plain numbers else, or nothing but blanks."""
    found = tuple(text for text in labels if _kind(text) == "marks of missing values")
    others = [text for text in labels if text not in found]
    numbers = bool(others) and all(not _kind(text) for text in others)
    return found if numbers else tuple(text for text in found if text and not text.strip())


def twins(labels: Sequence[str]) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """Return sets of labels that differ in blanks alone, and sets that differ in case, accents or zeros besides."""
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


def _kind(text: str) -> str:
    """Say what a label has beside a number; empty for a plain one, `"words"` where there is none."""
    if _NUMBER.fullmatch(text):
        return ""
    bare = text.strip()
    if bare.lower() in _GAPS:
        return "marks of missing values"
    if _NUMBER.fullmatch(bare):
        return "blanks"
    for kind, pattern in _DRESSES:
        if pattern.fullmatch(bare):
            return kind
    match = _UNIT.fullmatch(bare)
    if match and _kind(match["number"]) in ("", "thousands marks", "a decimal comma"):
        return f"the unit {match['unit']}"
    return "words"


def _dates(labels: Sequence[str]) -> Spoilt | None:
    """Return the dates that a column of text holds, if it holds hardly anything else and more than a few."""
    dates = tuple(text for text in labels if _DATE.fullmatch(text.strip()))
    if len(dates) <= FEW_LEVELS or 2 * len(dates) <= len(labels):
        return None
    return Spoilt(dates, ("dates",), False)


def _unspaced(text: str) -> str:
    """Return a label without the blanks around it, one blank where several stand, and without invisible characters."""
    if text.isascii() and text == text.strip() and "  " not in text and text.isprintable():
        return text
    return " ".join("".join(char for char in text if category(char) != "Cf").split())


def _folded(text: str) -> str:
    """Return a label in small letters without accents, a number without the zeros that add nothing."""
    if match := _WRITTEN.fullmatch(text):
        whole, part = match["whole"].lstrip("0") or "0", (match["part"] or "").rstrip("0")
        return f"{'-' if match['sign'] in ('-', '−') else ''}{whole}{'.' if part else ''}{part}"
    if text.isascii():
        return text.lower()
    apart = normalize("NFD", text)
    return "".join(char for char in apart if not "\u0300" <= char <= "\u036f").casefold()
