"""`comparisons`: contrasts of averages, with a variable set to each of its values in turn for every row.

References
----------
Robins (1986), Mathematical Modelling 7, 1393-1512: the g-formula, of which this is the case of one time point.
Zou (2009), American Journal of Epidemiology 170, 1-3: standardised risk differences and ratios from a model.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from bayesglmm.errors import DataError, OptionError, choose, listing
from bayesglmm.estimands.average import means, place
from bayesglmm.estimands.averaged_rows import Rows, read_rows
from bayesglmm.estimands.contrasts import Contrast, ContrastOption, read_contrasts
from bayesglmm.estimands.estimates import Estimates, Shown, estimates
from bayesglmm.estimands.reference_grid import fixed, product
from bayesglmm.estimands.request import Asked, FrameOption, View, ask
from bayesglmm.estimands.wording import beside, set_to
from bayesglmm.posterior.protocol import Fitted

__all__ = ["COMPARISONS", "Comparison", "comparisons", "population_effects"]

type Array = NDArray[np.float64]
type Comparison = Literal["difference", "ratio", "log_ratio", "odds_ratio", "log_odds_ratio"]

COMPARISONS: tuple[Comparison, ...] = get_args(Comparison.__value__)
"""On which scale averages are contrasted."""


def comparisons(
    fit: Fitted,
    variables: str | Sequence[str] | Mapping[str, Any],
    *,
    comparison: str = "difference",
    contrasts: ContrastOption = "reference",
    by: str | Sequence[str] | None = None,
    frame: FrameOption = "population",
    new_data: Any = None,
    at: Mapping[str, Any] | None = None,
    scale: str = "response",
    ci_prob: float = 0.95,
    seed: int | None = None,
) -> Estimates:
    """Compare average means between values of a variable, the other columns as they are.

    For each value the variable is set to it in every row, the mean of each row found in its frame, and the means
    averaged over the rows (standardisation, the g-formula). The averages are contrasted, draw by draw: a ratio
    or an odds ratio is one of averages and not an average of ratios.

    Parameters
    ----------
    fit
        The fit.
    variables
        One predictor or several, each compared by itself. A mapping gives each what to compare: a list of values
        or levels, or a step that is added to the value of each row. Without, a factor takes all its levels, the
        reference first; a numeric predictor its values where there are two, else a step of 1.
    comparison
        `"difference"`, `"ratio"`, `"log_ratio"`, `"odds_ratio"` or `"log_odds_ratio"`.
    contrasts
        `"reference"`: each value against the first. `"pairwise"`: the later of each pair against the earlier.
        `"sequential"`: each against the one before. Or weights, rows that sum to 0, one column a value:
        a matrix, or a mapping of names to rows. Ratios take weights on the log scale, odds ratios on the logit's.
    by
        Columns of the data by whose values to average; None for one average over all rows.
    frame
        Whose number it is, as in `bayesglmm.estimands.predict`; a tuple of several gives a row for each. In the
        frame `"new_group"` all rows lie in one new group a draw, so that the interval has the spread of one group.
    new_data
        The rows to average over; None for those of the model.
    at
        Other columns to set for all rows: one value, or several that each give rows of the table.
    scale
        `"response"`, or `"link"` for differences of the average linear predictor.
    ci_prob
        The probability of the equal-tailed intervals.
    seed
        What the effects of the new group are drawn from; it is the same at each value.

    Returns
    -------
    Estimates
        Labels: `variable`, `contrast`, the columns of `by`, columns with several values in `at`, `frame`. Each
        row of data counts once and is at its own offset, unless `at` sets it: `at={"weeks": 1}` makes counts rates.

    Raises
    ------
    OptionError
        For an unknown name, value, comparison or frame, weights of the wrong shape, or a ratio of what can be negative.
    DataError
        If new data lack a column or have an unknown level.

    References
    ----------
    Robins (1986); Zou (2009).
    """
    asked = ask(fit, frame, scale, ci_prob, seed)
    kind = choose("comparison", comparison, COMPARISONS)
    return _several(asked, (kind,), variables, contrasts, by, new_data, at)[0]


def population_effects(fit: Fitted, variables: Mapping[str, Any], kinds: Sequence[Comparison]) -> list[Estimates]:
    """Return what `comparisons` returns of variables for each kind of comparison, the averages computed once."""
    return _several(ask(fit, "population", "response", 0.95, None), kinds, variables, "reference", None, None, None)


def _several(
    asked: Asked,
    kinds: Sequence[Comparison],
    variables: Any,
    contrasts: ContrastOption,
    by: str | Sequence[str] | None,
    new_data: Any,
    at: Mapping[str, Any] | None,
) -> list[Estimates]:
    """Average once, and contrast the averages in each way."""
    for kind in kinds:
        _check_scale(asked, kind)
    plans = [read_contrasts(asked.model, variables, contrasts, "-" if kind == "difference" else "/") for kind in kinds]
    given = fixed(asked.model, at)
    for plan in plans[0]:
        if plan.variable in given:
            raise OptionError(f"'{plan.variable}' is compared and fixed in at; leave it out of one")
    rows = read_rows(asked, new_data, by, given, compared=[plan.variable for plan in plans[0] if not plan.is_step])
    parts: list[list[tuple[pd.DataFrame, list[Array]]]] = [[] for _ in kinds]
    for number, plan in enumerate(plans[0]):
        for point in product(given):
            averages = [_averages(asked, view, rows, plan, point) for view in asked.views]
            for kind, mine, part in zip(kinds, plans, parts, strict=True):
                each = [_contrasted(one, mine[number], kind) for one in averages]
                cells = beside(rows.labels, point, given, ("variable", "contrast"))
                labels = [cells.assign(contrast=name) for name in mine[number].names]
                table = pd.concat(labels, ignore_index=True).assign(variable=plan.variable)
                part.append((table[["variable", "contrast", *table.columns[:-2]]], each))
    changed = [*given, *(plan.variable for plan in plans[0])]
    found = []
    for kind, mine, part in zip(kinds, plans, parts, strict=True):
        text = _sentence(asked, mine, rows, given, kind.replace("_", " "))
        found.append(estimates(asked, part, text, _shown(asked, kind, mine), changed=changed))
    return found


def _shown(asked: Asked, kind: Comparison, plans: Sequence[Contrast]) -> Shown:
    """Say how a comparison is drawn."""
    null = 1.0 if kind in ("ratio", "odds_ratio") else 0.0
    texts = {name: text for plan in plans for name, text in zip(plan.names, plan.texts, strict=True)}
    value = f"{kind.replace('_', ' ')} of averages, {asked.quantity}"
    return Shown("forest", value, null=null, ratio=null == 1.0, contrasts=texts)


def _check_scale(asked: Asked, kind: Comparison) -> None:
    """Refuse comparisons that have no meaning for what is averaged."""
    link = asked.model.family.link
    if kind == "difference":
        return
    if asked.scale == "link":
        raise OptionError(f"comparison={kind!r} is of the mean; with scale='link' use comparison='difference'")
    if "odds" in kind and link.range != "unit":
        raise OptionError(
            f"comparison={kind!r} needs means between 0 and 1, which the {link.name} link does not give; "
            "use 'difference' or 'ratio'"
        )
    if link.range == "real":
        raise OptionError(f"comparison={kind!r} needs positive means; under the {link.name} link use 'difference'")


def _averages(asked: Asked, view: View, rows: Rows, plan: Contrast, point: Mapping[str, Any]) -> Array:
    """Return averages with the variable at each value, shape (L, s, cells)."""
    like, name, k = asked.model.design.columns, plan.variable, len(rows.labels)
    found = []
    for value in plan.values:
        new = np.asarray(rows.columns[name], dtype=float) + value if plan.is_step else value
        columns = rows.where(like, {**point, name: new})
        try:
            where = place(asked, view, columns)
        except DataError as error:
            raise DataError(
                f"with {plan} the mean cannot be found: {error}. Compare values that it has: "
                f"variables={{{name!r}: [low, high]}}, or a smaller step"
            ) from error
        found.append(means(asked, where, rows.cell, k))
    return np.stack(found)


def _contrasted(averages: Array, plan: Contrast, kind: Comparison) -> Array:
    """Contrast averages (L, s, cells), shape (s, contrasts × cells)."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if kind in ("ratio", "log_ratio"):
            averages = np.log(averages)
        elif kind in ("odds_ratio", "log_odds_ratio"):
            averages = special.logit(averages)
        found = np.stack([_combined(row, averages) for row in plan.weights], axis=1)
        found = np.exp(found) if kind in ("ratio", "odds_ratio") else found
    return np.asarray(found.reshape(len(found), -1))


def _combined(weights: Array, averages: Array) -> Array:
    """Sum averages by weights; those without weight have no say, be they infinite."""
    used = np.flatnonzero(weights)
    return np.asarray(np.tensordot(weights[used], averages[used], axes=1))


def _sentence(
    asked: Asked, plans: Sequence[Contrast], rows: Rows, given: Mapping[str, tuple[Any, ...]], name: str
) -> str:
    """Say what is compared, of whom, and in which order averaging and contrasting go."""
    article = "an" if name.startswith("o") else "a"
    caution = "" if name == "difference" else f" ({article} {name} of averages, not an average of {name}s)"
    return (
        f"{name[0].upper()}{name[1:]} of the average {asked.quantity}: {listing(map(str, plans))} in all rows"
        f"{set_to(given)}{asked.offsets(given)}; averaged over {rows}, then contrasted draw by draw{caution}."
    )
