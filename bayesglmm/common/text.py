"""Text from a user's data as one visible line: what a reader sees is what the label is.

Labels may hold anything: line breaks, the escape codes that colour a terminal, marks that turn the direction of
writing around. Shown as they are they would break a table into two rows, or say something else than they hold.
"""

import re
from collections.abc import Sequence
from unicodedata import category, east_asian_width

__all__ = ["cut", "named", "plain"]

_HIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of control characters, halves of surrogate pairs, separators of lines and of paragraphs."""

_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Marks that embed or override a direction of writing, and the byte order mark."""


def plain(value: object) -> str:
    r"""Return a value as one line of text, what is invisible in it written as Python would: `\n`, `\x1b`, `\u202e`."""
    text = str(value)
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    hidden = category(character) in _HIDDEN or character in _TURNING
    return character.encode("unicode_escape").decode("ascii") if hidden else character


_SAID = frozenset(
    {"all", "and", "as", "at", "average", "by", "chain", "contrast", "draw"}
    | {"draws", "each", "frame", "group", "groups", "it", "is", "lower", "mean"}
    | {"means", "median", "more", "over", "population", "row", "rows", "set", "typical"}
    | {"upper", "value", "values", "variable", "with"}
)
"""Words of tables and of the sentences above them that a column may be called."""


def named(name: object) -> str:
    """Return a name as it stands in a sentence: in quotes where it could be read as words of the sentence."""
    text = plain(name)
    if re.fullmatch(r"[\w.]+", text):
        return f"'{text}'" if text.lower() in _SAID else text
    return text if "(" in text or "`" in text else f"'{text}'"


def cut(texts: Sequence[str], most: int) -> list[str]:
    """Return texts of at most so many places, the middle of longer ones left out; those that would read alike numbered.

    Parameters
    ----------
    texts
        Plain text.
    most
        Places, of which a character of Chinese, Japanese or Korean takes two.
    """
    short = [_cut(text, most) for text in texts]
    counts: dict[str, int] = {}
    found = []
    for text, one in zip(texts, short, strict=True):
        counts[one] = counts.get(one, 0) + 1
        found.append(one if one == text or short.count(one) == 1 else f"{one} ({counts[one]})")
    return found


def _cut(text: str, most: int) -> str:
    if _places(text) <= most:
        return text
    room = most - len(" … ")
    head = (2 * room) // 3
    return f"{_first(text, head)} … {_first(text[::-1], room - head)[::-1]}"


def _first(text: str, places: int) -> str:
    taken, total = [], 0
    for character in text:
        total += _places(character)
        if total > places:
            break
        taken.append(character)
    return "".join(taken)


def _places(text: str) -> int:
    return len(text) + sum(east_asian_width(character) in "WF" for character in text)
