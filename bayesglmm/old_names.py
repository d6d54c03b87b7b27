"""Old method names of `Fit`: each warns with the new call and forwards to it; they are removed in the next release."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from bayesglmm.errors import BayesGLMMWarning, OptionError

__all__ = ["OLD_NAMES", "forwarded"]


def _predict(fit: Any, new_data: Any = None, *, kind: str = "mean", given: Any = None, **options: Any) -> Any:
    verbs = {"linear": "linpred", "mean": "epred", "outcome": "outcomes"}
    if kind not in verbs:
        raise OptionError(f"kind={kind!r} was never an option; use linpred, epred or outcomes in the place of predict")
    _warn(f"predict(kind={kind!r})", f"{verbs[kind]}()" if given is None else f"{verbs[kind]}(new_outcomes=...)")
    return getattr(fit, verbs[kind])(new_data, new_outcomes=given, **options)


def _forest(fit: Any, factor: str | None = None, *, kind: str = "effects", column: str | None = None) -> Any:
    if kind == "means":
        _warn("forest(kind='means')", "group_means(...).plot()")
        return fit.group_means(factor).plot()
    _warn("forest()", "random_effects(...).plot(...)")
    return fit.random_effects(factor, quantity=kind).plot(columns=column)


def _heterogeneity(fit: Any, *, epsilon: float | None = None, draws: int | None = None) -> Any:
    _warn("heterogeneity()", "zero_sd()")
    return fit.zero_sd(epsilon=epsilon, max_draws=draws)


def _covariance(fit: Any, ci_prob: float = 0.95) -> Any:
    _warn("covariance()", "varcorr()")
    return fit.varcorr(ci_prob=ci_prob)


OLD_NAMES: Mapping[str, Callable[..., Any]] = {
    "covariance": _covariance,
    "forest": _forest,
    "heterogeneity": _heterogeneity,
    "predict": _predict,
}
"""What each old name calls, with the fit as the first argument."""


def forwarded(fit: Any, name: str) -> Callable[..., Any]:
    """Return the method that an old name stands for.

    Raises
    ------
    AttributeError
        If it is not an old name.
    """
    if name not in OLD_NAMES:
        raise AttributeError(f"'{type(fit).__name__}' object has no attribute '{name}'")
    return lambda *args, **options: OLD_NAMES[name](fit, *args, **options)


def _warn(old: str, new: str) -> None:
    warnings.warn(
        f"fit.{old} is now fit.{new}; the old name is removed in the next release", BayesGLMMWarning, stacklevel=4
    )
