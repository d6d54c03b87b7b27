"""The string form of a prior: `"normal(0, 2.5)"`, `"half_normal(sigma=1)"`, `"variance(inv_gamma(1, 2))"`."""

import re
from typing import Any

from bayesglmm.errors import PriorError, suggest
from bayesglmm.specify.priors.distributions import DISTRIBUTIONS, Prior
from bayesglmm.specify.priors.powers import POWERS

__all__ = ["parse_prior"]

_AROUND = re.compile(rf"\s*({'|'.join(POWERS)})\s*\((.*)\)\s*", re.DOTALL)
_FORM = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\(([^()]*)\))?\s*")


def parse_prior(given: Any) -> Prior:
    """Read a prior from its string form; a prior object is returned as it is.

    Raises
    ------
    PriorError
        For an unknown distribution, a misspelt or missing argument, or something not a number.
    """
    if isinstance(given, Prior):
        return given
    if not isinstance(given, str):
        raise PriorError(f"a prior is a text such as 'normal(0, 2.5)' or an object, not {type(given).__name__}")
    if (around := _AROUND.fullmatch(given)) is not None and around.group(2).strip():
        return POWERS[around.group(1)](parse_prior(around.group(2)))
    match = _FORM.fullmatch(given)
    if match is None:
        raise PriorError(f"{given!r} is not a prior; write it as 'normal(0, 2.5)'")
    name, inside = match.group(1), match.group(2) or ""
    if name in POWERS:
        raise PriorError(f"{given!r} lacks a distribution; {POWERS[name].form()}")
    if name not in DISTRIBUTIONS:
        raise PriorError(f"'{name}' is not a prior; {suggest(name, [*DISTRIBUTIONS, *POWERS])}")
    distribution = DISTRIBUTIONS[name]
    return distribution(**_arguments(given, distribution, inside))


def _arguments(given: str, distribution: type[Prior], inside: str) -> dict[str, float]:
    wanted = distribution.arguments()
    form = distribution.form()
    values: dict[str, float] = {}
    for position, part in enumerate(part for part in inside.split(",") if inside.strip()):
        name, equals, number = part.rpartition("=")
        key = name.strip() if equals else (wanted[position] if position < len(wanted) else "")
        if key not in wanted:
            what = f"no argument '{key}'" if equals else f"{len(wanted)} arguments, not more"
            raise PriorError(f"'{given}': {distribution.text} has {what}; {form}")
        if key in values:
            raise PriorError(f"'{given}': {key} is given twice; {form}")
        try:
            values[key] = float(number)
        except ValueError as error:
            raise PriorError(f"'{given}': {number.strip()!r} is not a number; {form}") from error
    missing = [key for key in wanted if key not in values]
    if missing:
        raise PriorError(f"'{given}' lacks {', '.join(missing)}; {form}")
    return values
