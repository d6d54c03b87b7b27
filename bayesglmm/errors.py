"""Every exception the package raises on purpose, and helpers for their messages.

    BayesGLMMError
    ├── FormulaError      a formula that cannot be read wholly (carries text and position)
    ├── DataError         data that cannot be what the formula says
    │   └── ResponseError a response outside the family's support
    ├── FamilyError       an unknown family or link
    ├── PriorError        an unknown, malformed or impossible prior
    ├── OptionError       an argument outside what is allowed
    ├── SpecError         a spec file that cannot be read wholly
    ├── SamplingError     a sampler that could not run
    │   └── InterfaceError a dependency whose private parts are not those the package was made for
    ├── IncompleteError   results of a run that could not be made; all others are written
    │   └── FigureError   of these, figures alone
    └── StorageError      a saved fit that cannot be written or read

Each message says what was given, what is allowed and what to do.
"""

import difflib
import warnings
from collections.abc import Iterable, Mapping, Sequence

from bayesglmm.common.text import plain

__all__ = [
    "BayesGLMMError",
    "BayesGLMMWarning",
    "DataError",
    "FamilyError",
    "FigureError",
    "FormulaError",
    "IncompleteError",
    "InterfaceError",
    "OptionError",
    "PriorError",
    "ResponseError",
    "SamplingError",
    "SpecError",
    "StorageError",
    "choose",
    "listing",
    "refuse_unknown",
    "suggest",
    "warn_once",
]


class BayesGLMMError(Exception):
    """Root of every exception the package raises on purpose."""


class BayesGLMMWarning(UserWarning):
    """A valid result with a limitation that the reader must know."""


class FormulaError(BayesGLMMError, ValueError):
    """A formula that cannot be read wholly.

    Parameters
    ----------
    reason
        What is wrong and what to write instead.
    text
        The formula as given.
    position
        Character offset in `text` that the caret points at, or None.
    """

    def __init__(self, reason: str, text: str = "", position: int | None = None) -> None:
        self.reason = reason
        self.text = text
        self.position = position
        super().__init__(_with_caret(reason, text, position))


class DataError(BayesGLMMError, ValueError):
    """Data that cannot be what the formula says."""


class ResponseError(DataError):
    """A response outside the support of its family."""


class FamilyError(BayesGLMMError, ValueError):
    """An unknown family, or a link the family does not have."""


class PriorError(BayesGLMMError, ValueError):
    """An unknown, malformed or impossible prior."""


class OptionError(BayesGLMMError, ValueError):
    """An argument outside what is allowed."""


class SpecError(BayesGLMMError, ValueError):
    """A spec file that cannot be read wholly."""


class SamplingError(BayesGLMMError, RuntimeError):
    """A sampler that could not run or returned nothing."""


class IncompleteError(BayesGLMMError, RuntimeError):
    """Results of a run that could not be made; all others are written.

    Parameters
    ----------
    reasons
        The reason by the name of the result.
    """

    _one, _several, _made = "a result", "results", "made"

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        each = "; ".join(f"{name} ({plain(' '.join(reason.split()))})" for name, reason in self.reasons.items())
        subject = self._several if len(self.reasons) > 1 else self._one
        super().__init__(f"{subject} could not be {self._made}: {each}; all else is written")


class FigureError(IncompleteError):
    """Figures that could not be drawn; all other results are written."""

    _one, _several, _made = "a figure", "figures", "drawn"


class InterfaceError(SamplingError):
    """A dependency whose private parts are not those that the package was made for.

    Parameters
    ----------
    reason
        What failed.
    dependency
        The name of the package.
    """

    def __init__(self, reason: str, dependency: str) -> None:
        self.dependency = dependency
        super().__init__(reason)


class StorageError(BayesGLMMError, OSError):
    """A saved fit that cannot be written, or that is damaged or of an unknown version."""


def suggest(given: str, known: Iterable[str], limit: int = 12) -> str:
    """Return text with the nearest known name and a list of all, those beyond the limit counted."""
    names = list(known)
    lowered = {name.lower(): name for name in names}
    near = difflib.get_close_matches(given.lower(), list(lowered), n=1)
    listed = f"known: {listing(names, limit)}" if names else "there are none"
    return f"did you mean '{plain(lowered[near[0]])}'? {listed}" if near else listed


def listing(items: Iterable[object], limit: int = 12) -> str:
    """Join items with commas, each as plain text, those beyond the limit counted."""
    shown = [plain(item) for item in items]
    if len(shown) <= limit:
        return ", ".join(shown)
    return ", ".join(shown[:limit]) + f" … ({len(shown) - limit} more)"


def choose[T: str](option: str, value: object, allowed: Sequence[T]) -> T:
    """Return the one of `allowed` that equals `value`.

    Raises
    ------
    OptionError
        Naming the option, what was given and what is allowed.
    """
    for known in allowed:
        if isinstance(value, str) and value == known:
            return known
    raise OptionError(f"{option}={value!r} is not an option; {suggest(str(value), allowed)}")


def refuse_unknown(function: str, given: Iterable[str], known: Sequence[str]) -> None:
    """Refuse arguments that a function does not have.

    Raises
    ------
    OptionError
        Naming the first of them, with what to write instead, or the known ones.
    """
    for name in given:
        instead = _ELSEWHERE.get(name)
        raise OptionError(f"{function} has no argument {name}=; {instead or suggest(name, known, limit=30)}")


_ELSEWHERE = {
    "weights": "write it in the formula: y | weights(w) ~ …; successes among trials are p(s, n), an exposure is "
    "y | rate(exposure) ~ …",
    "offset": "write it in the formula: offset(log(exposure))",
    "trials": "write it in the formula: p(successes, trials)",
    "corstr": "set working=",
    "cov_struct": "set working=",
    "waves": "set time=",
    "exposure": "write it in the formula: y | rate(exposure) ~ …",
    "rate": "write it in the formula: y | rate(exposure) ~ …",
    "random": "write random effects in the formula: (1 | group)",
    "iter": "set draws= (kept in each chain) and tune= (warm-up)",
    "warmup": "set tune=",
    "prior": "set priors=",
    "adapt_delta": "set target_accept=",
    "control": "set target_accept= and max_treedepth=",
    "contrasts": 'write C(x, Sum()) or C(x, Treatment("level")) in the formula, or set reference=',
    "subset": "filter the rows of the data first",
    "na_action": 'set missing="drop" or missing="error"',
}
"""Arguments of other packages, and what to write here."""


_warned: set[str] = set()
"""The keys of the warnings that this process has had."""


def warn_once(key: str, text: str) -> None:
    """Warn once in a process for each key."""
    if key not in _warned:
        warnings.warn(text, BayesGLMMWarning, stacklevel=3)
        _warned.add(key)


def _with_caret(reason: str, text: str, position: int | None) -> str:
    if position is None or not text:
        return f"{reason}\n  in: {text}" if text else reason
    start = max(0, position - 60)
    window = text[start : position + 60].replace("\n", " ").replace("\t", " ")
    return f"{reason}\n  {window}\n  {' ' * (position - start)}^"
