"""What a family and a formula refuse of the data beyond each family's support."""

import warnings
from pathlib import Path

import numpy as np

from bayesglmm.errors import BayesGLMMWarning, DataError, ResponseError, listing
from bayesglmm.specify.design import Design, Outcome
from bayesglmm.specify.families import Family
from bayesglmm.specify.formula import render

__all__ = ["check_exposure", "check_groups", "check_left_out", "check_offset", "check_outcome"]

_FURTHEST = 100.0
"""The largest offset taken under a log link: e^100 is no exposure in any unit."""

_LARGEST = 1e100
"""The largest response taken: the squares of larger ones overflow."""


def check_left_out(outcome: Outcome) -> None:
    """Warn, where the family was left out, of a response that looks binary or like counts."""
    if outcome.trials is not None or outcome.levels is not None:
        return  # refused by the family
    whole = bool((outcome.y == np.floor(outcome.y)).all())
    if not whole or outcome.y.min() != 0:
        return
    binary = outcome.y.max() <= 1
    appearance, family = ("is 0 or 1", "bernoulli") if binary else ("holds whole numbers from 0 on", "poisson")
    warnings.warn(
        f"no family was given, so gaussian was taken, and the response '{outcome.name}' {appearance}: pass "
        f'family="{family}" if these are {"outcomes of single trials" if binary else "counts"}, '
        'or family="gaussian" if gaussian is meant',
        BayesGLMMWarning,
        skip_file_prefixes=(str(Path(__file__).parents[1]),),
    )


def check_outcome(outcome: Outcome, family: Family) -> None:
    """Refuse a constant continuous response, whose likelihood is unbounded, and numbers beyond 1e100."""
    if np.abs(outcome.y).max() > _LARGEST:
        raise ResponseError(f"response '{outcome.name}' reaches beyond 1e100; rescale it, such as to other units")
    if family.outcome_type == "continuous" and (outcome.y == outcome.y[0]).all():
        raise ResponseError(
            f"response '{outcome.name}' is {outcome.y[0]:.15g} in every row: the {family.name} family has no spread "
            "to learn from; check the column"
        )


def check_exposure(design: Design, family: Family) -> None:
    """Refuse an exposure, `rate(e)`, of a family or under a link that has none."""
    rate = design.formula.response.rate
    if rate is None:
        return
    if not family.exposure:
        instead = "leave it out"
        if family.link.multiplicative:
            instead = f"write offset(log({render(rate)})), which multiplies the mean alone"
        raise ResponseError(
            f"rate({render(rate)}) is the exposure of a count, which the {family.name} family has not; {instead}"
        )
    if not family.link.multiplicative:
        raise ResponseError(
            f"rate({render(rate)}) multiplies the mean, which is an offset under the log link alone; the link is "
            f"{family.link.name}: use link='log'"
        )


def check_offset(design: Design, family: Family) -> None:
    """Refuse an offset under a log link that is so large that it is an exposure without its logarithm."""
    if not family.link.multiplicative or np.abs(design.offset).max() <= _FURTHEST:
        return
    names = listing(render(offset) for offset in design.formula.all_offsets)
    largest = design.offset[np.abs(design.offset).argmax()]
    raise DataError(
        f"the offset {names} reaches {largest:.6g} on the log scale, a factor of e^{largest:.6g}; "
        "write the logarithm of an exposure: offset(log(…))"
    )


def check_groups(design: Design, family: Family) -> None:
    """Refuse the response as a grouping factor, and groups of one row each whose sd is not identified."""
    for block in design.blocks:
        if design.formula.response.outcome in block.grouping.group.factors:
            raise DataError(f"'{block.factor}' is the response and a grouping factor at once; group by another column")
    outcome = design.outcome
    assert outcome is not None
    singletons = [block for block in design.blocks if "Intercept" in block.columns and len(block.levels) == design.n]
    one_trial_a_row = outcome.trials is not None and bool((outcome.trials == 1).all())
    single_trials = family.outcome_type == "binary" or one_trial_a_row
    if singletons and single_trials:
        raise DataError(
            f"every row is a group of its own in '{singletons[0].factor}', and single outcomes of 0 or 1 carry no "
            "information on the spread between groups: the posterior of its standard deviation would be the prior, and "
            "the coefficients would depend on it; drop the block or group the rows"
        )
    residual = family.residual is not None and family.residual.under(family.link)
    if not (residual or family.in_units_of_response):
        return
    if singletons:
        raise DataError(
            f"every row is a group of its own in '{singletons[0].factor}': under the {family.name} family the spread "
            "between groups cannot be told from the residual; drop the block or group the rows"
        )
