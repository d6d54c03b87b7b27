"""`Model`: formula, family, priors and design, checked together; everything else is a function of them."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bayesglmm.errors import BayesGLMMWarning, DataError, PriorError, ResponseError, listing, refuse_unknown
from bayesglmm.specify.describe import describe, describe_html, prior_rows
from bayesglmm.specify.design import Columns, Design, Outcome
from bayesglmm.specify.design.roles import referable
from bayesglmm.specify.families import Family, get_family
from bayesglmm.specify.families.links import Link
from bayesglmm.specify.formula import Formula, parse, render, update
from bayesglmm.specify.priors import Flat, Priors
from bayesglmm.specify.variables import check_names

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

    from bayesglmm.estimands.reference_values import Step
    from bayesglmm.fitting import Fit
    from bayesglmm.sample.settings import Backend
    from bayesglmm.sensitivity.implied_priors import ImpliedPriors

__all__ = ["LEFT_OUT", "Model", "glmm"]


class _LeftOut(str):
    """The name of the family that is taken where none was given."""

    __slots__ = ()


LEFT_OUT = _LeftOut("gaussian")
"""The default of `family=`: the gaussian family, and that nobody asked for it."""


@dataclass(frozen=True, eq=False)
class Model:
    """A generalized linear mixed model, not yet sampled.

    Parameters
    ----------
    formula
        What was asked for.
    family
        The distribution of the outcome given the linear predictor, with its link.
    priors
        The prior of every parameter, with where it comes from.
    design
        The formula's numbers on the data.
    data
        The table it was made from, in which `update` looks for columns that the formula did not name; None where it is
        not at hand, as with a fit that was read from disk.
    missing
        What became of rows with missing values, as in `glmm`.
    """

    formula: Formula
    family: Family
    priors: Priors
    design: Design
    data: Any = field(default=None, repr=False)
    missing: Literal["error", "drop"] = "error"

    def __post_init__(self) -> None:
        """Take for whole numbers what is whole but for rounding, where outcomes are counts."""
        if self.family.kind != "continuous":
            object.__setattr__(self, "design", self.design.counted())

    def __str__(self) -> str:
        """Return the model's mathematics and every prior with where it comes from."""
        return describe(self.design, self.family, self.priors)

    def __repr__(self) -> str:
        """Return the same as `str()`: this is what a notebook or a prompt shows."""
        return str(self)

    def _repr_html_(self) -> str:
        return describe_html(self.design, self.family, self.priors)

    @property
    def event(self) -> str | None:
        """The label that counts as the event (1) of a binary outcome given as text, None otherwise."""
        outcome = self.design.outcome
        return outcome.levels[1] if outcome is not None and outcome.levels is not None else None

    def fit(
        self,
        *,
        progress: bool = True,
        draws: int = 1000,
        tune: int | None = None,
        chains: int = 4,
        cores: int | None = None,
        seed: int | None = None,
        target_accept: float = 0.85,
        max_treedepth: int = 10,
        prior_only: bool = False,
        backend: "Backend" = "auto",
        partial: bool = False,
        mend: bool = True,
    ) -> "Fit":
        """Sample the posterior of the model.

        Parameters
        ----------
        progress
            Whether to show a progress bar.
        draws, tune, chains, cores, seed, target_accept, max_treedepth, prior_only, backend, partial, mend
            As in `bayesglmm.Sampler`.

        Returns
        -------
        Fit
            Look at `fit.check()` before reporting anything.

        Raises
        ------
        BayesGLMMError
            If a setting cannot be what it says, or nothing can be drawn.

        Warns
        -----
        BayesGLMMWarning
            If the data are separated given X and a coefficient whose estimate is infinite has a flat prior.
        """
        from bayesglmm.fitting import sampled
        from bayesglmm.sample.settings import Sampler

        sampler = Sampler(
            draws, tune, chains, cores, seed, target_accept, max_treedepth, prior_only, backend, partial, mend
        )
        return sampled(self, sampler, progress=progress)

    def update(
        self,
        formula: str | Formula | None = None,
        *,
        data: Any = None,
        family: str | Family | None = None,
        link: str | Link | None = None,
        priors: Any = None,
        missing: Literal["error", "drop"] | None = None,
        reference: Mapping[str, Any] | None = None,
    ) -> "Model":
        """Return the model with something changed; what is not given stays.

        Parameters
        ----------
        formula
            A new formula, or what changes in it as in R: `"~ . + age"` adds a term, `"~ . - x:z - (1 | site)"` takes a
            term and a block away, `"log(y) ~ ."` changes the response; a dot stands for what was on its side.
        data
            New data. Not given, the rows are those used before; columns that the formula did not name are taken from
            the table the model was made from.
        family, link, missing
            As in `glmm`. A family given without a link has its first; a link without a family is one of the family's.
        priors
            As in `glmm`. Not given, those that were: defaults are computed anew for what has changed.
        reference
            As in `glmm`. Reference levels given before stay those of factors that are still there.

        Raises
        ------
        BayesGLMMError
            As `glmm`; a prior given before for what is no longer there is one of the reasons, and a column that the
            table at hand does not have.
        """
        changed = self.formula if formula is None else update(self.formula, formula)
        given = self.priors.given
        rule = self.missing if missing is None else missing
        kept = {name: level for name, level in self.design.columns.references.items() if name in referable(changed)}
        try:
            model = glmm(
                changed,
                self._columns(changed, rule) if data is None else data,
                self.family if family is None else family,
                link=link,
                priors={"preset": self.priors.preset, **given} if priors is None else priors,
                missing=rule,
                reference={**kept, **(reference or {})},
            )
        except PriorError as error:
            if priors is not None or not given:
                raise
            raise PriorError(
                f"a prior carried over from the earlier fit does not go with the new model: {error}. To drop it, pass "
                "priors= with those to keep, or priors={} for the defaults"
            ) from error
        return model if data is not None else replace(model, data=self.data)

    def _columns(self, formula: Formula, missing: Literal["error", "drop"]) -> Columns:
        """Return the columns of a formula on the rows used before."""
        used = self.design.columns
        absent = [name for name in formula.columns if name not in used]
        if not absent:
            return used
        if self.data is None:
            raise DataError(
                f"the columns {listing(absent)} were not part of the model, and the table it was made from is not at "
                "hand, as after load; pass data= with the table"
            )
        return used.widened(self.data, formula.columns, missing=missing)

    def require_proper(self) -> None:
        """Refuse to draw from a prior that is improper.

        Raises
        ------
        PriorError
            Naming the parameters whose prior is flat.
        """
        if not self.priors.proper:
            names = [name for name, prior, _ in prior_rows(self.design, self.priors) if prior == str(Flat())]
            raise PriorError(
                f"the prior alone cannot be drawn from: {listing(names)} has the improper prior flat(); "
                "give a proper one, such as priors={'slopes': 'normal(0, 2.5)'}"
            )

    def prior_predictive(self, *, draws: int = 1000, seed: int | None = None) -> "xr.DataTree":
        """Draw parameters and outcomes from the priors alone: see `bayesglmm.sensitivity.prior_predictive`."""
        from bayesglmm.sensitivity.prior_predictive import prior_predictive

        return prior_predictive(self, draws=draws, seed=seed)

    def implied_priors(self, *, step: "Step" = "sd", draws: int = 4000, seed: int | None = 0) -> "ImpliedPriors":
        """Return what the priors say on the scale of the response: see `bayesglmm.sensitivity.implied_priors`."""
        from bayesglmm.sensitivity.implied_priors import implied_priors

        return implied_priors(self, step=step, draws=draws, seed=seed)

    def to_pymc(self, *, prior_only: bool = False) -> "pm.Model":
        """Return the model as a PyMC graph: add to it and sample it as any other.

        Parameters
        ----------
        prior_only
            Whether to leave the likelihood out.

        Raises
        ------
        PriorError
            If the prior alone is wanted and has no distribution, being improper.
        """
        from bayesglmm.logdensity.pymc_graph import build

        if prior_only:
            self.require_proper()
        return build(self, prior_only=prior_only)


def glmm(
    formula: str | Formula,
    data: Any,
    family: str | Family = LEFT_OUT,
    *,
    link: str | Link | None = None,
    priors: Any = None,
    missing: Literal["error", "drop"] = "error",
    reference: Mapping[str, Any] | None = None,
    **unknown: Any,
) -> Model:
    """Build a model without sampling it.

    Parameters
    ----------
    formula
        For example `"count ~ trt*time + offset(log(weeks)) + (1 + time | id)"`.
    data
        Any eager dataframe that narwhals reads (pandas, polars, pyarrow …), or a mapping of columns.
    family
        The name of a family, or a `Family`. Left out, it is `"gaussian"`, with a warning where the response looks
        like another's.
    link
        The name of one of the family's links, or a `Link` of your own; None for the family's first.
    priors
        Priors by class, coefficient or block, or the name of a preset; see `Priors.build`.
    missing
        `"error"` refuses missing values, `"drop"` leaves their rows out and says how many.
    reference
        The reference levels of factors, by column, such as `{"treat": "Usual"}`; of a text response the label that
        is not the event. Else the first in alphabetical order, or in the order a categorical type declares.
    unknown
        Taken only to be refused with a word.

    Returns
    -------
    Model

    Raises
    ------
    BayesGLMMError
        If the formula, the data, the family or a prior cannot be what they say, or an argument is not one of these.

    Warns
    -----
    BayesGLMMWarning
        For numbers taken as labels, levels that differ in case alone, and a family that was not given.
    """
    refuse_unknown("glmm", unknown, _ARGUMENTS)
    parsed = formula if isinstance(formula, Formula) else parse(formula)
    chosen = get_family(family, link)
    design = Design.build(parsed, data, missing=missing, reference=reference)
    if chosen.kind != "continuous":
        design = design.counted()
    outcome = design.outcome
    assert outcome is not None
    if isinstance(family, _LeftOut):
        _check_family(outcome)
    chosen.check(outcome.name, outcome.y, outcome.trials, outcome.levels, design.columns.rows)
    _check_outcome(outcome, chosen)
    _check_offset(design, chosen)
    _check_groups(design, chosen)
    model = Model(parsed, chosen, Priors.build(priors, design, chosen), design, data, missing)
    check_names(model)
    return model


_ARGUMENTS = ("formula", "data", "family", "link", "priors", "missing", "reference")


def _check_family(outcome: Outcome) -> None:
    """Warn where the family was left out and the response looks like that of another."""
    if outcome.trials is not None or outcome.levels is not None:
        return  # refused by the family, with a word
    whole = bool((outcome.y == np.floor(outcome.y)).all())
    if not whole or outcome.y.min() != 0:
        return
    looks, other = ("is 0 or 1", "bernoulli") if outcome.y.max() <= 1 else ("holds whole numbers from 0 on", "poisson")
    warnings.warn(
        f"no family was given, so gaussian was taken, and the response '{outcome.name}' {looks}: pass "
        f'family="{other}" if these are {"outcomes of single trials" if other == "bernoulli" else "counts"}, '
        'or family="gaussian" if gaussian is meant',
        BayesGLMMWarning,
        skip_file_prefixes=(str(Path(__file__).parents[1]),),
    )


_FURTHEST = 100.0
"""The largest offset taken under a log link: an exposure of e^100 of any unit is not one."""


_LARGEST = 1e100
"""The largest response taken: beyond it a square leaves floating point."""


def _check_outcome(outcome: Outcome, family: Family) -> None:
    """Refuse a continuous response without spread, whose likelihood grows without bound, or of enormous numbers."""
    if np.abs(outcome.y).max() > _LARGEST:
        raise ResponseError(f"response '{outcome.name}' reaches beyond 1e100; rescale it, such as to other units")
    if family.kind == "continuous" and (outcome.y == outcome.y[0]).all():
        raise ResponseError(
            f"response '{outcome.name}' is {outcome.y[0]:.15g} in every row: the {family.name} family has no spread "
            "to learn from; check the column"
        )


def _check_offset(design: Design, family: Family) -> None:
    """Refuse an exposure whose logarithm was forgotten."""
    if not family.link.multiplicative or np.abs(design.offset).max() <= _FURTHEST:
        return
    names = listing(render(offset) for offset in design.formula.offsets)
    largest = design.offset[np.abs(design.offset).argmax()]
    raise DataError(
        f"the offset {names} reaches {largest:.6g} on the log scale, a factor of e^{largest:.6g}; "
        "write the logarithm of an exposure: offset(log(…))"
    )


def _check_groups(design: Design, family: Family) -> None:
    """Refuse the response as a grouping factor, and groups of one row each where the residual has that variance."""
    for block in design.blocks:
        if design.formula.response.outcome in block.grouping.group.factors:
            raise DataError(f"'{block.factor}' is the response and a grouping factor at once; group by another column")
    outcome = design.outcome
    assert outcome is not None
    alone = [block for block in design.blocks if "Intercept" in block.columns and len(block.levels) == design.n]
    single = family.kind == "binary" or (outcome.trials is not None and bool((outcome.trials == 1).all()))
    if alone and single:
        raise DataError(
            f"every row is a group of its own in '{alone[0].factor}', and single outcomes of 0 or 1 say nothing of the "
            "spread between groups: their standard deviation would be that of its prior, and the coefficients would "
            "follow it; drop the block or group the rows"
        )
    residual = family.residual is not None and family.residual.under(family.link)
    if not (residual or family.in_units_of_response):
        return
    if alone:
        raise DataError(
            f"every row is a group of its own in '{alone[0].factor}': under the {family.name} family the spread "
            "between groups cannot be told from the residual; drop the block or group the rows"
        )
