"""Names of coefficients, columns and grouping factors: products of factors, in any order.

`trt:time`, `time:trt` and `trt × time`, as figures have it, name one coefficient. A name is split at colons between
factors, not at those within a label (`arm[T.1:2]`) or a call.
"""

import re
from collections.abc import Iterable, Sequence

from bayesglmm.common.text import plain

__all__ = ["columns_text", "factors", "find", "parameters_text"]

_CODED = re.compile(r"(?:C|factor)\((\w+)(?:, \w+\([^()]*\))?\)\[")
_PARAMETER = re.compile(r"(beta|sd_[^\[]+|corr_[^\[]+)\[(.*)\]", re.DOTALL)
_TIMES = " × "
_CLOSES = {"(": ")", '"': '"', "'": "'", "`": "`"}


def factors(name: str) -> tuple[str, ...]:
    """Return the factors of a product; the whole name where its brackets and quotes do not pair."""
    parts, start, position = [], 0, 0
    while position < len(name):
        character = name[position]
        if character == ":":
            parts.append(name[start:position])
            start = position + 1
        elif character == "[":
            position = _end_of_label(name, position)
        elif character in _CLOSES:
            position = _end_of_call(name, position)
        elif character in ")]":
            position = -1
        if position < 0:
            return (name,)
        position += 1
    parts.append(name[start:])
    return tuple(parts) if all(parts) else (name,)


def _end_of_label(name: str, start: int) -> int:
    """Return the end of the label that begins at a bracket, which a colon or nothing follows; −1 if there is none."""
    end = start
    while (end := name.find("]", end + 1)) >= 0:
        if end + 1 == len(name) or name[end + 1] == ":" or name.startswith(_TIMES, end + 1):
            return end
    return -1


def _end_of_call(name: str, start: int) -> int:
    """Return where the parenthesis, quote or backtick at the start is closed; −1 if nowhere."""
    closing, end = [_CLOSES[name[start]]], start
    while closing:
        end += 1
        if end == len(name):
            return -1
        character = name[end]
        if character == closing[-1]:
            closing.pop()
        elif closing[-1] == ")" and character in _CLOSES:
            closing.append(_CLOSES[character])
    return end


def find(name: str, known: Iterable[str]) -> str | None:
    """Return the known name equal to a name, else the only one with the same factors; None if there is none.

    Parameters
    ----------
    name
        With factors in any order, or as figures write it.
    known
        Names of coefficients, columns, grouping factors, or of parameters such as `beta[trt:time]`.
    """
    names = list(dict.fromkeys(known))
    if name in names:
        return name
    key = _key(name)
    matching = [candidate for candidate in names if key in (_key(candidate), _key(_text(candidate)))]
    return matching[0] if len(matching) == 1 else None


def _key(name: str) -> tuple[str, ...]:
    """Return a key that does not depend on the order of the factors."""
    parameter = _PARAMETER.fullmatch(name)
    if parameter is not None:
        return (parameter[1], *_key(parameter[2]))
    return tuple(sorted(factor.strip() for factor in factors(name.replace(_TIMES, ":"))))


def columns_text(names: Sequence[str]) -> list[str]:
    """Return the names of columns as figures show them: `C(treat)[T.Steroid]:weeks` is `treat[Steroid] × weeks`.

    All are left unchanged where two would become equal.
    """
    short = [_text(name) for name in names]
    return [plain(name) for name in (short if len(set(short)) == len(set(names)) else names)]


def parameters_text(names: Sequence[str]) -> list[str]:
    """Return the names of parameters as figures show them: `beta[trt × time]` of `beta[trt:time]`."""
    matches = {name: match for name in names if (match := _PARAMETER.fullmatch(name))}
    texts = dict(zip(matches, columns_text([match[2] for match in matches.values()]), strict=True))
    return [f"{matches[name][1]}[{texts[name]}]" if name in matches else plain(name) for name in names]


def _text(name: str) -> str:
    """Return a column's name without its coding."""
    return _TIMES.join(_uncoded(factor) for factor in factors(name))


def _uncoded(factor: str) -> str:
    """Return `treat[Steroid]` of `C(treat, Treatment("Usual"))[T.Steroid]`."""
    short = _CODED.sub(r"\1[", factor, count=1) if _CODED.match(factor) else factor
    position = 0
    while 0 <= position < len(short) and short[position] != "[":
        position = _end_of_call(short, position) if short[position] in _CLOSES else position
        position += 1 if position >= 0 else 0
    if not 0 <= position < len(short):
        return short
    return f"{short[: position + 1]}{short[position + 1 :].removeprefix('T.')}"
