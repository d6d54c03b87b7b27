"""`MarginalData`: what estimating equations read of a formula and a table, through the package's own `Design`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from unicodedata import normalize

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.errors import DataError, FormulaError, OptionError, listing
from bayesglmm.marginal_models.families import MarginalFamily, get_marginal
from bayesglmm.sensitivity.separation.cells import merge
from bayesglmm.sensitivity.separation.programme import Unsolved
from bayesglmm.sensitivity.separation.recession import recession
from bayesglmm.specify.check_data import check_exposure, check_left_out, check_offset, check_outcome
from bayesglmm.specify.design import Columns, Design
from bayesglmm.specify.design.codes import as_factor
from bayesglmm.specify.families import Family
from bayesglmm.specify.families.links import Link
from bayesglmm.specify.formula import Formula, column_names, parse
from bayesglmm.specify.formula.nodes import Number
from bayesglmm.specify.model import LEFT_OUT

__all__ = ["MarginalData", "Missing", "clustered", "read", "times", "without_groups"]

type Array = NDArray[np.float64]
type Index = NDArray[np.int64]
type Missing = Literal["error", "drop"]


@dataclass(frozen=True, eq=False)
class MarginalData:
    """The numbers of a marginal model, rows of weight 0 left out.

    Parameters
    ----------
    design
        The design on all rows, with one block (the groups) or none.
    family, link
        Variance function and link.
    kept
        (n,) positions of the rows used among those of the design.
    x
        (n, p) columns of the coefficients.
    offset
        (n,) on the scale of the linear predictor.
    y
        (n,) outcomes; proportions where there are trials.
    trials
        (n,) what the variance of a row is divided by: its trials, 1 where there are none.
    weight
        (n,) how often a row counts.
    """

    design: Design
    family: MarginalFamily
    link: Link
    kept: Index
    x: Array
    offset: Array
    y: Array
    trials: Array
    weight: Array

    @property
    def total(self) -> float:
        """The number of rows, each counted by its weight."""
        return float(self.weight.sum())

    @property
    def group(self) -> Index:
        """(n,) the group of each row, numbered from 0 without a gap."""
        (block,) = self.design.blocks
        return np.unique(block.index[self.kept], return_inverse=True)[1].astype(np.int64)


def clustered(formula: str | Formula) -> tuple[Formula, tuple[str, ...]]:
    """Return a formula whose only block is (1 | g), and what of the formula as given is not used, in sentences.

    Raises
    ------
    FormulaError
        Without a grouping factor, or with several.
    """
    parsed = parse(formula)
    factors = tuple(dict.fromkeys(str(block.group) for block in parsed.blocks))
    if not factors:
        raise FormulaError(
            "estimating equations need to know which rows belong together; add the groups, as in + (1 | id). Without "
            "groups, quasi_likelihood fits 'quasi_poisson' and 'quasi_binomial'",
            str(parsed),
        )
    if len(factors) > 1:
        raise FormulaError(
            f"there are {len(factors)} grouping factors ({listing(factors)}); generalized estimating equations have "
            "one level of groups, independent of each other: keep the outermost alone, or use bg.fit for all of them",
            str(parsed),
        )
    slopes = [str(term) for block in parsed.blocks for term in block.terms.terms]
    bar = replace(parsed.bars[0], lhs=Number("1"), correlated=True)
    notes: tuple[str, ...] = ()
    if slopes:
        notes = (
            f"not used: the random slopes of {listing(dict.fromkeys(slopes))}; there are no random effects here, only "
            f"the groups of {factors[0]}",
        )
    return replace(parsed, bars=(bar,)), notes


def without_groups(formula: str | Formula) -> Formula:
    """Return a parsed formula, refused if it has random effects.

    Raises
    ------
    FormulaError
        With a block.
    """
    parsed = parse(formula)
    if parsed.bars:
        raise FormulaError(
            f"quasi-likelihood has no random effects: leave out {listing(parsed.bars)}, or use bg.gee, where the "
            "factor groups correlated rows, or bg.fit",
            str(parsed),
        )
    return parsed


def read(
    formula: Formula,
    data: Any,
    family: str | Family,
    *,
    known: tuple[str, ...],
    link: str | Link | None,
    missing: Missing,
    reference: Mapping[str, Any] | None,
) -> MarginalData:
    """Return the numbers of a formula on data, with everything checked that can be before fitting.

    Raises
    ------
    BayesGLMMError
        For a family or a link that is not known, a response outside the support, an offset that cannot be meant, more
        coefficients than rows, or separation.
    """
    chosen = get_marginal(family, known)
    used_link = chosen.link(family.link if isinstance(family, Family) and link is None else link)
    _check_groups(formula, data)
    design = Design.build(formula, data, missing=missing, reference=reference)
    outcome = design.outcome
    assert outcome is not None
    like = chosen.like(outcome)
    if like.outcome_type != "continuous":
        design = design.counted()
        outcome = design.outcome
        assert outcome is not None
    if family is LEFT_OUT:
        check_left_out(outcome)
    chosen.check(outcome, design.columns.rows)
    check_outcome(outcome, like)
    linked = replace(like, link=used_link)
    check_offset(design, linked)
    check_exposure(design, linked)
    if not design.coef:
        raise FormulaError("there are no coefficients to estimate; write 1 for an intercept", str(formula))
    kept = np.flatnonzero(outcome.weights_or_ones)
    trials = outcome.trials_or_ones[kept]
    numbers = (design.x[kept], design.offset[kept], outcome.y[kept] / trials, trials, outcome.weights_or_ones[kept])
    result = MarginalData(design, chosen, used_link, kept, *numbers)
    if result.total <= len(design.coef):
        raise DataError(
            f"{len(design.coef)} coefficients leave no degrees of freedom for the dispersion: the rows count "
            f"{result.total:g}; use fewer terms, or more data"
        )
    _check_separation(result)
    return result


def _check_groups(formula: Formula, data: Any) -> None:
    """Refuse the response as the grouping factor, and a factor of one level."""
    for block in formula.blocks:
        if formula.response.outcome in block.group.factors:
            raise DataError(f"'{block.group}' is the response and a grouping factor at once; group by another column")
        columns = Columns.read(data, column_names(*block.group.factors), missing="drop")
        codes = [as_factor(factor, columns).codes for factor in block.group.factors]
        if all((code == code[0]).all() for code in codes):
            raise DataError(
                f"grouping factor '{block.group}' has a single level: standard errors come from the spread between "
                "groups, which one group does not show; group by another column"
            )


def _check_separation(data: MarginalData) -> None:
    """Refuse data under which an estimate is infinite.

    Under independence the equations are those of maximum likelihood in these families; under other correlations their
    solution diverges for the same reason.
    """
    proportions = data.link.range == "unit" and data.link.increasing
    counts = data.link.multiplicative and data.family.name in ("poisson", "quasi_poisson")
    if not (proportions or counts):
        return
    up = data.y == 1 if proportions else np.zeros(len(data.y), dtype=np.bool_)
    try:
        estimates = recession(merge(data.x, (), up, data.y == 0)).estimates
    except Unsolved:
        return
    infinite = [
        f"{name} ({estimate})"
        for name, estimate in zip(data.design.coef, estimates, strict=True)
        if estimate in ("+inf", "-inf", "±inf")
    ]
    if infinite:
        raise DataError(
            f"the data are separated: the estimate of {listing(infinite)} is infinite, and the equations have no "
            "solution. bg.check_separation names the rows; join levels or drop the term, or use bg.fit, whose priors "
            "keep coefficients finite"
        )


def times(data: MarginalData, table: Any, name: str | None, missing: Missing) -> tuple[NDArray[Any], str]:
    """Return the time of each row used (n,), and what it is in words.

    Parameters
    ----------
    data
        The numbers of the model.
    table
        The table they are from.
    name
        The column; None for the position of a row among those of its group, in the order of the data.
    missing
        As in `Design.build`.

    Raises
    ------
    OptionError
        For what is no name of a column.
    DataError
        For missing values, and for two rows of a group at one time.
    """
    if name is None:
        index = pd.Series(data.design.blocks[0].index)
        return index.groupby(index).cumcount().to_numpy()[data.kept], "the order of the rows in the data"
    if not isinstance(name, str):
        raise OptionError(f"time={name!r} is the name of a column, such as 'visit'; None for the order of the rows")
    columns = data.design.columns.widened(table, [normalize("NFC", name)], missing=missing)
    if columns.n < data.design.n:
        raise DataError(f"'{name}' has missing values in rows that the model uses; leave these rows out of the data")
    time = np.asarray(columns[normalize("NFC", name)])[data.kept]
    codes = pd.factorize(time)[0]
    twice = pd.DataFrame({"group": data.group, "time": codes}).duplicated().to_numpy()
    if twice.any():
        first = int(np.flatnonzero(twice)[0])
        label = data.design.blocks[0].levels[data.design.blocks[0].index[data.kept[first]]]
        raise DataError(
            f"group {label} has two rows with {name} = {time[first]}: a time tells the rows of "
            "a group apart; name another column, or leave out time= for the order of the rows"
        )
    return time, name
