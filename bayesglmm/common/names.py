"""Names of coefficients, columns and grouping factors: products of factors, the same in any order of these.

`trt:time` and `time:trt` are one coefficient, and so is what figures call `trt × time`. A name is taken apart where
colons stand between factors, not where one is part of a label (`arm[T.1:2]`) or of a call.
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
    """Return the factors of a product; the name alone where its brackets and quotes do not pair."""
    parts, start, at = [], 0, 0
    while at < len(name):
        character = name[at]
        if character == ":":
            parts.append(name[start:at])
            start = at + 1
        elif character == "[":
            at = _end_of_label(name, at)
        elif character in _CLOSES:
            at = _end_of_call(name, at)
        elif character in ")]":
            at = -1
        if at < 0:
            return (name,)
        at += 1
    parts.append(name[start:])
    return tuple(parts) if all(parts) else (name,)


def _end_of_label(name: str, at: int) -> int:
    """Return where the label that begins at a bracket ends: labels hold anything, and a colon or nothing follows."""
    while (at := name.find("]", at + 1)) >= 0:
        if at + 1 == len(name) or name[at + 1] == ":" or name.startswith(_TIMES, at + 1):
            return at
    return -1


def _end_of_call(name: str, at: int) -> int:
    """Return where what a parenthesis, quote or backtick opens is closed; −1 if nowhere."""
    closing = [_CLOSES[name[at]]]
    while closing:
        at += 1
        if at == len(name):
            return -1
        character = name[at]
        if character == closing[-1]:
            closing.pop()
        elif closing[-1] == ")" and character in _CLOSES:
            closing.append(_CLOSES[character])
    return at


def find(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a name stands for: itself, else the only one of the same factors in any order.

    Parameters
    ----------
    name
        As the user wrote it: in any order of its factors, or as figures write it.
    known
        Names of coefficients, columns, grouping factors, or of parameters such as `beta[trt:time]`.
    """
    names = list(dict.fromkeys(known))
    if name in names:
        return name
    key = _key(name)
    same = [one for one in names if key in (_key(one), _key(_text(one)))]
    return same[0] if len(same) == 1 else None


def _key(name: str) -> tuple[str, ...]:
    """Return what is the same for any order of the factors of a name."""
    parameter = _PARAMETER.fullmatch(name)
    if parameter is not None:
        return (parameter[1], *_key(parameter[2]))
    return tuple(sorted(factor.strip() for factor in factors(name.replace(_TIMES, ":"))))


def columns_text(names: Sequence[str]) -> list[str]:
    """Return the names of columns as figures show them: `C(treat)[T.Steroid]:weeks` is `treat[Steroid] × weeks`.

    All are left as they are where two would read the same.
    """
    short = [_text(name) for name in names]
    return [plain(name) for name in (short if len(set(short)) == len(set(names)) else names)]


def parameters_text(names: Sequence[str]) -> list[str]:
    """Return the names of parameters as figures show them: `beta[trt × time]` of `beta[trt:time]`."""
    found = {name: match for name in names if (match := _PARAMETER.fullmatch(name))}
    texts = dict(zip(found, columns_text([match[2] for match in found.values()]), strict=True))
    return [f"{found[name][1]}[{texts[name]}]" if name in found else plain(name) for name in names]


def _text(name: str) -> str:
    """Return a column's name without its coding."""
    return _TIMES.join(_uncoded(factor) for factor in factors(name))


def _uncoded(factor: str) -> str:
    """Return `treat[Steroid]` of `C(treat, Treatment("Usual"))[T.Steroid]`."""
    short = _CODED.sub(r"\1[", factor, count=1) if _CODED.match(factor) else factor
    at = 0
    while 0 <= at < len(short) and short[at] != "[":
        at = _end_of_call(short, at) if short[at] in _CLOSES else at
        at += 1 if at >= 0 else 0
    return f"{short[: at + 1]}{short[at + 1 :].removeprefix('T.')}" if 0 <= at < len(short) else short
