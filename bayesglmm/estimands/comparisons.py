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
from bayesglmm.estimands.average import framed, means
from bayesglmm.estimands.averaged_rows import AveragedRows, read_rows
from bayesglmm.estimands.contrasts import Contrast, ContrastOption, read_contrasts
from bayesglmm.estimands.estimates import Estimates, Shown, estimates
from bayesglmm.estimands.frames import NamedFrame
from bayesglmm.estimands.reference_grid import fixed, product
from bayesglmm.estimands.request import FrameOption, Request, read_request
from bayesglmm.estimands.wording import columns_set, offset_clause
from bayesglmm.posterior.protocol import Fitted

__all__ = ["COMPARISONS", "Comparison", "comparisons", "population_effects"]

type Array = NDArray[np.float64]
type Comparison = Literal["difference", "ratio", "log_ratio", "odds_ratio", "log_odds_ratio"]

COMPARISONS: tuple[Comparison, ...] = get_args(Comparison.__value__)
"""How averages are contrasted."""


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

    The variable is set to each value in every row in turn, and the means of the rows are averaged (standardisation, the
    g-formula). The averages are contrasted draw by draw: a ratio or an odds ratio is one of averages and not an
    average of ratios.

    Parameters
    ----------
    fit
        The fit.
    variables
        One predictor or several, each compared by itself. A mapping gives the values or levels to compare, or a step
        that is added to the value of each row. By default a factor takes all its levels, the reference first; a
        numeric predictor of two values these; any other a step of 1.
    comparison
        `"difference"`, `"ratio"`, `"log_ratio"`, `"odds_ratio"` or `"log_odds_ratio"`.
    contrasts
        `"reference"`: each value against the first. `"pairwise"`: the later of each pair against the earlier.
        `"sequential"`: each against the one before. Or weights, rows that sum to 0, one column a value:
        a matrix, or a mapping of names to rows. Ratios take weights on the log scale, odds ratios on the logit's.
    by
        One column of the data or several by whose values to average; None for one average over all rows.
    frame
        One of `bayesglmm.estimands.frames`; a tuple of several gives a row for each. In the frame `"new_group"` all
        rows lie in one new group a draw, so that the interval has the spread of one group.
    new_data
        The rows to average over; None for those of the model.
    at
        Other columns to set for all rows: one value, or several that each give rows of the table.
    scale
        `"response"`, or `"link"` for differences of the average linear predictor.
    ci_prob
        The probability of the equal-tailed intervals.
    seed
        The seed of the random effects of the new group, which are the same at each value.

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
    request = read_request(fit, frame, scale, ci_prob, seed)
    chosen = COMPARISONS[COMPARISONS.index(choose("comparison", comparison, COMPARISONS))]
    return _several(request, (chosen,), variables, contrasts, by, new_data, at)[0]


def population_effects(fit: Fitted, variables: Mapping[str, Any], several: Sequence[Comparison]) -> list[Estimates]:
    """Return what `comparisons` returns for several comparisons of the same averages, which are computed once."""
    request = read_request(fit, "population", "response", 0.95, None)
    return _several(request, several, variables, "reference", None, None, None)


def _several(
    request: Request,
    several: Sequence[Comparison],
    variables: Any,
    contrasts: ContrastOption,
    by: str | Sequence[str] | None,
    new_data: Any,
    at: Mapping[str, Any] | None,
) -> list[Estimates]:
    """Average once, and contrast the averages by each comparison."""
    model = request.model
    for comparison in several:
        _check_scale(request, comparison)
    signs = ["-" if comparison == "difference" else "/" for comparison in several]
    plans = [read_contrasts(model, variables, contrasts, sign) for sign in signs]
    set_variables = [plan.variable for plan in plans[0]]
    values = fixed(model, at)
    for name in set_variables:
        if name in values:
            raise OptionError(f"'{name}' is compared and fixed in at; leave it out of one")
    rows = read_rows(request, new_data, by, values, compared=[plan.variable for plan in plans[0] if not plan.is_step])
    parts: list[list[tuple[pd.DataFrame, list[Array]]]] = [[] for _ in several]
    for number, plan in enumerate(plans[0]):
        for point in product(values):
            averages = [_averages(request, frame, rows, plan, point) for frame in request.frames]
            for comparison, its_plans, part in zip(several, plans, parts, strict=True):
                draws = [_contrasted(each, its_plans[number], comparison) for each in averages]
                cells = rows.labels_at(point, values, reserved=("variable", "contrast"))
                labels = [cells.assign(contrast=name) for name in its_plans[number].names]
                table = pd.concat(labels, ignore_index=True).assign(variable=plan.variable)
                part.append((table[["variable", "contrast", *table.columns[:-2]]], draws))
    changed = [*values, *set_variables]
    results = []
    for comparison, its_plans, part in zip(several, plans, parts, strict=True):
        text = _sentence(request, its_plans, rows, values, comparison.replace("_", " "))
        results.append(estimates(request, part, text, _shown(request, comparison, its_plans), changed=changed))
    return results


def _shown(request: Request, comparison: Comparison, plans: Sequence[Contrast]) -> Shown:
    """Say how a comparison is drawn."""
    null = 1.0 if comparison in ("ratio", "odds_ratio") else 0.0
    texts = {name: text for plan in plans for name, text in zip(plan.names, plan.texts, strict=True)}
    value = f"{comparison.replace('_', ' ')} of averages, {request.quantity}"
    return Shown("forest", value, null=null, ratio=null == 1.0, contrasts=texts)


def _check_scale(request: Request, comparison: Comparison) -> None:
    """Refuse comparisons that have no meaning for what is averaged."""
    link = request.model.family.link
    if comparison == "difference":
        return
    if request.scale == "link":
        raise OptionError(f"comparison={comparison!r} is of the mean; with scale='link' use comparison='difference'")
    if "odds" in comparison and link.range != "unit":
        raise OptionError(
            f"comparison={comparison!r} needs means between 0 and 1, which the {link.name} link does not give; "
            "use 'difference' or 'ratio'"
        )
    if link.range == "real":
        raise OptionError(
            f"comparison={comparison!r} needs positive means; under the {link.name} link use 'difference'"
        )


def _averages(
    request: Request, frame: NamedFrame, rows: AveragedRows, plan: Contrast, point: Mapping[str, Any]
) -> Array:
    """Return averages with the variable at each value, shape (L, s, cells)."""
    like, name, cells = request.model.design.columns, plan.variable, len(rows.labels)
    averages = []
    for value in plan.values:
        column = np.asarray(rows.columns[name], dtype=float) + value if plan.is_step else value
        columns = rows.with_columns(like, {**point, name: column})
        try:
            design = framed(request, frame, columns)
        except DataError as error:
            raise DataError(
                f"with {plan} the mean cannot be computed: {error}. Compare other values: "
                f"variables={{{name!r}: [low, high]}}, or a smaller step"
            ) from error
        averages.append(means(request, design, rows.cell, cells))
    return np.stack(averages)


def _contrasted(averages: Array, plan: Contrast, comparison: Comparison) -> Array:
    """Contrast averages (L, s, cells), shape (s, contrasts × cells)."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if comparison in ("ratio", "log_ratio"):
            averages = np.log(averages)
        elif comparison in ("odds_ratio", "log_odds_ratio"):
            averages = special.logit(averages)
        values = np.stack([_weighted_sum(row, averages) for row in plan.weights], axis=1)
        values = np.exp(values) if comparison in ("ratio", "odds_ratio") else values
    return np.asarray(values.reshape(len(values), -1))


def _weighted_sum(weights: Array, averages: Array) -> Array:
    """Sum averages by weights; those of weight 0 are left out, since 0 · ∞ is not a number."""
    used = np.flatnonzero(weights)
    return np.asarray(np.tensordot(weights[used], averages[used], axes=1))


def _sentence(
    request: Request, plans: Sequence[Contrast], rows: AveragedRows, values: Mapping[str, tuple[Any, ...]], name: str
) -> str:
    """Say what is compared, over which rows, and that averaging comes before contrasting."""
    article = "an" if name.startswith("o") else "a"
    caution = "" if name == "difference" else f" ({article} {name} of averages, not an average of {name}s)"
    rows_set = f"in all rows{columns_set(values)}{offset_clause(request.model, values)}"
    return (
        f"{name[0].upper()}{name[1:]} of the average {request.quantity}: {listing(map(str, plans))} {rows_set}; "
        f"averaged over {rows}, then contrasted draw by draw{caution}."
    )
