"""Labels from a user's data as one line of visible text.

Labels may hold line breaks, escape codes of a terminal, marks that reverse the direction of writing. Shown unchanged,
they would break tables, or be read as something else.
"""

import re
from collections.abc import Sequence
from unicodedata import category, east_asian_width

__all__ = ["cut", "named", "plain"]

_HIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories of control characters, surrogates, separators of lines and of paragraphs."""

_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Marks that embed or override a direction of writing, and the byte order mark."""


def plain(value: object) -> str:
    r"""Return a value as one line of text, invisible characters escaped as in Python: `\n`, `\x1b`, `\u202e`."""
    text = str(value)
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    hidden = category(character) in _HIDDEN or character in _BIDIRECTIONAL
    return character.encode("unicode_escape").decode("ascii") if hidden else character


_WORDS = frozenset(
    {"all", "and", "as", "at", "average", "by", "chain", "contrast", "draw"}
    | {"draws", "each", "frame", "group", "groups", "it", "is", "lower", "mean"}
    | {"means", "median", "more", "over", "population", "row", "rows", "set", "typical"}
    | {"upper", "value", "values", "variable", "with"}
)
"""Words of tables and their captions that may also be the name of a column."""


def named(name: object) -> str:
    """Return a name as part of a sentence: in quotes where it could be taken for words of it."""
    text = plain(name)
    if re.fullmatch(r"[\w.]+", text):
        return f"'{text}'" if text.lower() in _WORDS else text
    return text if "(" in text or "`" in text else f"'{text}'"


def cut(texts: Sequence[str], most: int) -> list[str]:
    """Return texts of a limited width, the middle of longer ones left out, and equal results numbered.

    Parameters
    ----------
    texts
        Plain text.
    most
        The largest width in columns of a terminal; a character of Chinese, Japanese or Korean takes two.
    """
    short = [_cut(text, most) for text in texts]
    counts: dict[str, int] = {}
    distinct = []
    for text, cut_text in zip(texts, short, strict=True):
        counts[cut_text] = counts.get(cut_text, 0) + 1
        unique = cut_text == text or short.count(cut_text) == 1
        distinct.append(cut_text if unique else f"{cut_text} ({counts[cut_text]})")
    return distinct


def _cut(text: str, most: int) -> str:
    if _width(text) <= most:
        return text
    room = most - len(" … ")
    head = (2 * room) // 3
    return f"{_first(text, head)} … {_first(text[::-1], room - head)[::-1]}"


def _first(text: str, width: int) -> str:
    characters, total = [], 0
    for character in text:
        total += _width(character)
        if total > width:
            break
        characters.append(character)
    return "".join(characters)


def _width(text: str) -> int:
    return len(text) + sum(east_asian_width(character) in "WF" for character in text)
