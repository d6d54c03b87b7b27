"""The string form of a prior: `"normal(0, 2.5)"`, `"half_normal(sigma=1)"`, `"variance(inv_gamma(1, 2))"`."""

import re
from typing import Any

from bayesglmm.errors import PriorError, suggest
from bayesglmm.specify.priors.distributions import DISTRIBUTIONS
from bayesglmm.specify.priors.powers import POWERS
from bayesglmm.specify.priors.prior import Prior

__all__ = ["parse_prior"]

_POWER = re.compile(rf"\s*({'|'.join(POWERS)})\s*\((.*)\)\s*", re.DOTALL)
_FORM = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\(([^()]*)\))?\s*")


def parse_prior(prior: Any) -> Prior:
    """Read a prior from its string form; a prior object is returned as it is.

    Raises
    ------
    PriorError
        For an unknown distribution, a misspelt or missing argument, or something not a number.
    """
    if isinstance(prior, Prior):
        return prior
    if not isinstance(prior, str):
        raise PriorError(f"a prior is a text such as 'normal(0, 2.5)' or an object, not {type(prior).__name__}")
    if (power := _POWER.fullmatch(prior)) is not None and power.group(2).strip():
        return POWERS[power.group(1)](parse_prior(power.group(2)))
    match = _FORM.fullmatch(prior)
    if match is None:
        raise PriorError(f"{prior!r} is not a prior; write it as 'normal(0, 2.5)'")
    name, inside = match.group(1), match.group(2) or ""
    if name in POWERS:
        raise PriorError(f"{prior!r} lacks a distribution; {POWERS[name].form()}")
    if name not in DISTRIBUTIONS:
        raise PriorError(f"'{name}' is not a prior; {suggest(name, [*DISTRIBUTIONS, *POWERS])}")
    distribution = DISTRIBUTIONS[name]
    return distribution(**_arguments(prior, distribution, inside))


def _arguments(text: str, distribution: type[Prior], inside: str) -> dict[str, float]:
    names = distribution.arguments()
    form = distribution.form()
    values: dict[str, float] = {}
    for position, part in enumerate(part for part in inside.split(",") if inside.strip()):
        name, equals, number = part.rpartition("=")
        key = name.strip() if equals else (names[position] if position < len(names) else "")
        if key not in names:
            what = f"no argument '{key}'" if equals else f"{len(names)} arguments, not more"
            raise PriorError(f"'{text}': {distribution.text} has {what}; {form}")
        if key in values:
            raise PriorError(f"'{text}': {key} is given twice; {form}")
        try:
            values[key] = float(number)
        except ValueError as error:
            raise PriorError(f"'{text}': {number.strip()!r} is not a number; {form}") from error
    missing = [key for key in names if key not in values]
    if missing:
        raise PriorError(f"'{text}' lacks {', '.join(missing)}; {form}")
    return values
