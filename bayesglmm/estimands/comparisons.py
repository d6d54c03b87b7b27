"""`comparisons`: contrasts of averages, with a variable set to each of its values in turn for every row.

References
----------
Robins (1986), Mathematical Modelling 7, 1393-1512: the g-formula, of which this is the case of one time point.
Zou (2009), American Journal of Epidemiology 170, 1-3: standardised risk differences and ratios from a model.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from bayesglmm.errors import DataError, OptionError, choose, listing
from bayesglmm.estimands.average import RowScale, framed, means
from bayesglmm.estimands.averaged_rows import AveragedRows, read_rows
from bayesglmm.estimands.contrasts import Contrast, ContrastOption, read_contrasts
from bayesglmm.estimands.estimates import Estimates
from bayesglmm.estimands.estimates_in_frames import estimates
from bayesglmm.estimands.measures import COMPARISONS, Comparison, Measure, read_measure
from bayesglmm.estimands.reference_grid import fixed, product
from bayesglmm.estimands.request import FrameOption, Request, read_request
from bayesglmm.estimands.shown import Shown
from bayesglmm.estimands.transforms import TransformOption
from bayesglmm.estimands.wording import columns_set
from bayesglmm.posterior.protocol import Fitted

__all__ = ["COMPARISONS", "Comparison", "comparisons", "population_effects"]

type Array = NDArray[np.float64]


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
    weights: str | None = None,
    transform: TransformOption = None,
    ci_prob: float = 0.95,
    seed: int | None = None,
) -> Estimates:
    """Compare average means between values of a variable, the other columns as they are.

    The variable is set to each value in every row in turn, and the means of the rows are averaged (standardisation, the
    g-formula). The averages are contrasted draw by draw. In the frame `"typical"` alone ratios and odds ratios are
    contrasted within rows and averaged after that, on the log scale.

    Parameters
    ----------
    fit
        The fit.
    variables
        One predictor or several, each compared by itself. A mapping gives the values or levels to compare, or a step
        that is added to the value of each row. By default a factor takes all its levels, the reference first; a
        numeric predictor of two values these; any other a step of 1.
    comparison
        `"difference"`, `"ratio"`, `"log_ratio"`, `"odds_ratio"` or `"log_odds_ratio"`. Differences of averages are
        averages of differences; of the others there are two kinds, each with a name of its own:

        - `"odds_ratio_of_means"`, the odds ratio of averages over rows: standardised and, in the frame
          `"population"`, marginal. It is what `"odds_ratio"` is in every frame but `"typical"`.
        - `"odds_ratio_within_rows"`, the odds ratio of each row, averaged on the log scale: in the frame `"typical"`
          under the logit link the exponential of the average difference of linear predictors, the conditional odds
          ratio. It is what `"odds_ratio"` is in the frame `"typical"`.

        The endings `_of_means` and `_within_rows` go with `"ratio"`, `"log_ratio"` and `"log_odds_ratio"` likewise.
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
    weights
        What each row counts in the averages: see `bayesglmm.estimands.predictions.predictions`. With `"equal"` the
        conditional odds ratios of a logit model, and the differences under `scale="link"`, are those of emmeans.
    transform
        A function that is applied to every draw after averaging: `"exp"`, `"log"`, `"percent"` (times 100) or another
        of `bayesglmm.estimands.transforms.TRANSFORMS`, or a function of arrays.
    ci_prob
        The probability of the equal-tailed intervals.
    seed
        The seed of the random effects of the new group, which are the same at each value.

    Returns
    -------
    Estimates
        Labels: `variable`, `contrast`, the columns of `by`, columns with several values in `at`, `frame`. Each
        row is at its own offset, unless `at` sets it: `at={"weeks": 1}` makes counts rates.

    Raises
    ------
    OptionError
        For an unknown name, value, comparison, frame or weights, contrasts of the wrong shape, or a ratio of what can
        be negative.
    DataError
        If new data lack a column or have an unknown level, or all weights of an average are 0.

    References
    ----------
    Robins (1986); Zou (2009).
    """
    request = read_request(fit, frame, scale, ci_prob, seed)
    chosen = choose("comparison", comparison, COMPARISONS)
    return _several(request, (chosen,), variables, contrasts, by, new_data, at, weights)[0].transform(transform)


def population_effects(fit: Fitted, variables: Mapping[str, Any], several: Sequence[Comparison]) -> list[Estimates]:
    """Return what `comparisons` returns for several comparisons of the same averages, which are computed once."""
    request = read_request(fit, "population", "response", 0.95, None)
    return _several(request, several, variables, "reference", None, None, None, None)


def _several(
    request: Request,
    several: Sequence[Comparison],
    variables: Any,
    contrasts: ContrastOption,
    by: str | Sequence[str] | None,
    new_data: Any,
    at: Mapping[str, Any] | None,
    weights: str | None,
) -> list[Estimates]:
    """Average once, and contrast the averages by each comparison."""
    model = request.model
    measures = [read_measure(request, comparison) for comparison in several]
    signs = ["-" if measure.h == "response" else "/" for measure in measures]
    plans = [read_contrasts(model, variables, contrasts, sign) for sign in signs]
    set_variables = [plan.variable for plan in plans[0]]
    values = fixed(model, at)
    for name in set_variables:
        if name in values:
            raise OptionError(f"'{name}' is compared and fixed in at; leave it out of one")
    compared = [plan.variable for plan in plans[0] if not plan.is_step]
    rows = read_rows(request, new_data, by, values, compared=compared, weights=weights)
    parts: list[list[tuple[pd.DataFrame, list[Array]]]] = [[] for _ in several]
    for number, plan in enumerate(plans[0]):
        for point in product(values):
            averages = cache(partial(_averages, request, rows, plan, point))
            for measure, its_plans, part in zip(measures, plans, parts, strict=True):
                plan_named = its_plans[number]
                draws = [_contrasted(averages, request, i, measure, plan_named) for i in range(len(request.frames))]
                cells = rows.labels_at(point, values, reserved=("variable", "contrast"))
                labels = [cells.assign(contrast=name) for name in plan_named.names]
                table = pd.concat(labels, ignore_index=True).assign(variable=plan.variable)
                part.append((table[["variable", "contrast", *table.columns[:-2]]], draws))
    changed = [*values, *set_variables]
    results = []
    for measure, its_plans, part in zip(measures, plans, parts, strict=True):
        text = _sentence(request, its_plans, rows, values, measure)
        results.append(estimates(request, part, text, _shown(request, measure, its_plans), changed=changed))
    return results


def _shown(request: Request, measure: Measure, plans: Sequence[Contrast]) -> Shown:
    """Say how a comparison is drawn."""
    null = 1.0 if measure.exponentiated else 0.0
    texts = {name: text for plan in plans for name, text in zip(plan.names, plan.texts, strict=True)}
    ways = {frame.name: "within rows" if measure.within_rows(frame) else "of averages" for frame in request.frames}
    each = "; ".join(f"{name}: {way}" for name, way in ways.items())
    value = f"{measure.name} {ways[request.frames[0].name]}, {request.quantity}"
    if len(set(ways.values())) > 1:
        value = f"{measure.name}, {request.quantity} ({each})"
    return Shown("forest", value, null=null, ratio=measure.exponentiated, contrasts=texts)


def _averages(
    request: Request, rows: AveragedRows, plan: Contrast, point: Mapping[str, Any], frame: int, scale: RowScale | None
) -> Array:
    """Return averages over rows, on a scale, with the variable at each value and in one of the frames: (L, s, k)."""
    like, name = request.model.design.columns, plan.variable
    averages = []
    for value in plan.values:
        column = np.asarray(rows.columns[name], dtype=float) + value if plan.is_step else value
        columns = rows.with_columns(like, {**point, name: column})
        try:
            design = framed(request, request.frames[frame], columns)
        except DataError as error:
            raise DataError(
                f"with {plan} the mean cannot be computed: {error}. Compare other values: "
                f"variables={{{name!r}: [low, high]}}, or a smaller step"
            ) from error
        averages.append(means(request, design, rows.cells, scale))
    return np.stack(averages)


def _contrasted(
    averages: Callable[[int, RowScale | None], Array], request: Request, frame: int, measure: Measure, plan: Contrast
) -> Array:
    """Contrast averages in a frame: those of means, or within rows those of h(mean); shape (s, contrasts × k)."""
    within_rows = measure.within_rows(request.frames[frame])
    values = averages(frame, measure.h if within_rows else None)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if not within_rows and measure.h != "response":
            values = np.log(values) if measure.h == "log" else special.logit(values)
        contrasts = np.stack([_weighted_sum(row, values) for row in plan.weights], axis=1)
        contrasts = np.exp(contrasts) if measure.exponentiated else contrasts
    return np.asarray(contrasts.reshape(len(contrasts), -1))


def _weighted_sum(weights: Array, averages: Array) -> Array:
    """Sum averages by weights; those of weight 0 are left out, since 0 · ∞ is not a number."""
    used = np.flatnonzero(weights)
    return np.asarray(np.tensordot(weights[used], averages[used], axes=1))


def _sentence(
    request: Request,
    plans: Sequence[Contrast],
    rows: AveragedRows,
    values: Mapping[str, tuple[Any, ...]],
    measure: Measure,
) -> str:
    """Say what is compared, over which rows, and what is averaged in which frame."""
    name = measure.name
    article = "an" if name.startswith("o") else "a"
    frames: dict[bool, list[str]] = {}
    for frame in request.frames:
        frames.setdefault(measure.within_rows(frame), []).append(frame.name)
    caution = "" if name == "difference" else f" ({article} {name} of averages, not an average of {name}s)"
    exponentiated = ", and exponentiated" if measure.exponentiated else ""
    ways = {
        False: f"averaged over {{rows}}, then contrasted draw by draw{caution}",
        True: f"contrasted within each row draw by draw, the log {name.removeprefix('log ')}s averaged over {{rows}}"
        f"{exponentiated} (not {article} {name} of averages)",
    }
    if len(frames) == 1:
        how = ways[next(iter(frames))].format(rows=rows)
    else:
        each = [f"in frame {listing(names)} {ways[way].format(rows='the rows')}" for way, names in frames.items()]
        how = f"{'; '.join(each)}; the rows are {rows}"
    average = "average " if frames.keys() == {False} else ""
    return (
        f"{name[0].upper()}{name[1:]} of the {average}{request.quantity}: {listing(map(str, plans))} in all rows"
        f"{columns_set(values)}{rows.offset_clause(request.model, values)}; {how}."
    )
