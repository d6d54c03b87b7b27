"""`Model`: a formula, a family, priors and the design they give on the data; `glmm` builds one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from bayesglmm.errors import DataError, PriorError, listing, refuse_unknown
from bayesglmm.specify.check_data import check_exposure, check_groups, check_left_out, check_offset, check_outcome
from bayesglmm.specify.describe import describe, describe_html, prior_rows
from bayesglmm.specify.design import Columns, Design
from bayesglmm.specify.design.roles import referable
from bayesglmm.specify.families import Family, get_family
from bayesglmm.specify.families.links import Link
from bayesglmm.specify.formula import Formula, parse, update
from bayesglmm.specify.priors import Priors
from bayesglmm.specify.priors.distributions.flat import Flat
from bayesglmm.specify.variables import check_names

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

    from bayesglmm.estimands.reference_values import Step
    from bayesglmm.fitted import Fit
    from bayesglmm.sample.settings import Backend
    from bayesglmm.sensitivity.implied_priors import ImpliedPriors

__all__ = ["LEFT_OUT", "Model", "glmm"]


class _LeftOut(str):
    """The family of a call without `family=`, told apart from the same text given."""

    __slots__ = ()


LEFT_OUT = _LeftOut("gaussian")
"""The default of `family=`: gaussian, with a warning where the response looks binary or like counts."""


@dataclass(frozen=True, eq=False)
class Model:
    """A generalized linear mixed model, not yet sampled.

    Parameters
    ----------
    formula
        Response, population-level terms, offsets and blocks of random effects.
    family
        The distribution of the outcome given the linear predictor, with its link.
    priors
        The prior of every parameter, each with its origin.
    design
        The matrices of the formula on the data: x (n, p), one z (n, k) a block, offset and outcome (n,).
    data
        The table it was built from, which `update` reads further columns from; None for a fit loaded from disk.
    missing
        `"error"` or `"drop"`, as in `glmm`.
    """

    formula: Formula
    family: Family
    priors: Priors
    design: Design
    data: Any = field(default=None, repr=False)
    missing: Literal["error", "drop"] = "error"

    def __post_init__(self) -> None:
        """Round outcomes of counts that are whole numbers up to rounding error."""
        if self.family.outcome_type != "continuous":
            object.__setattr__(self, "design", self.design.counted())

    def __str__(self) -> str:
        """Return the model's equations and every prior with its origin."""
        return describe(self.design, self.family, self.priors)

    def __repr__(self) -> str:
        """Return the same as `str()`."""
        return str(self)

    def _repr_html_(self) -> str:
        return describe_html(self.design, self.family, self.priors)

    @property
    def event(self) -> str | None:
        """The label coded 1 of a binary outcome given as text, None for other outcomes."""
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
            For a setting outside its range, or a sampler that cannot run.

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
        data: Any = None,
        family: str | Family | None = None,
        *,
        link: str | Link | None = None,
        priors: Any = None,
        missing: Literal["error", "drop"] | None = None,
        reference: Mapping[str, Any] | None = None,
    ) -> "Model":
        """Return the model with some arguments changed; the others stay.

        Parameters
        ----------
        formula
            A new formula, or a change as in R's `update`: `"~ . + age"` adds a term, `"~ . - x:z - (1 | site)"` removes
            a term and a block, `"log(y) ~ ."` changes the response; a dot stands for the old formula's side.
        data
            New data; None for the rows used before, with further columns from the table the model was built from.
        family, link, missing
            As in `glmm`. A family without a link has its first; a link without a family is for the present family.
        priors
            As in `glmm`; None for the present preset and specified priors, with defaults computed anew.
        reference
            As in `glmm`; earlier reference levels stay for the factors that remain.

        Raises
        ------
        BayesGLMMError
            As `glmm`; also for an earlier prior of a parameter that is gone, and a column the table does not have.
        """
        changed = self.formula if formula is None else update(self.formula, formula)
        specified = self.priors.specified
        rule = self.missing if missing is None else missing
        kept = {name: level for name, level in self.design.columns.references.items() if name in referable(changed)}
        try:
            model = glmm(
                changed,
                self._columns(changed, rule) if data is None else data,
                self.family if family is None else family,
                link=link,
                priors={"preset": self.priors.preset, **specified} if priors is None else priors,
                missing=rule,
                reference={**kept, **(reference or {})},
            )
        except PriorError as error:
            if priors is not None or not specified:
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
        """Refuse to draw from improper priors.

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

    def implied_priors(
        self, *, step: "Step" = "sd", draws: int = 4000, seed: int | None = 0, ci_prob: float = 0.95
    ) -> "ImpliedPriors":
        """Return what the priors say on the scale of the response: see `bayesglmm.sensitivity.implied_priors`."""
        from bayesglmm.sensitivity.implied_priors import implied_priors

        return implied_priors(self, step=step, draws=draws, seed=seed, ci_prob=ci_prob)

    def to_pymc(self, *, prior_only: bool = False) -> "pm.Model":
        """Return the model as a PyMC graph: add to it and sample it as any other.

        Parameters
        ----------
        prior_only
            Whether to leave the likelihood out.

        Raises
        ------
        PriorError
            For `prior_only` with an improper prior.
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
        is not the event. Others have the first level in alphabetical order, or in that of a categorical type.
    unknown
        Refused, with the name of the argument meant.

    Returns
    -------
    Model

    Raises
    ------
    BayesGLMMError
        If the formula, the data, the family, a prior or another argument is invalid.

    Warns
    -----
    BayesGLMMWarning
        For numbers taken as labels, levels that differ in case alone, and a family that was not given.
    """
    refuse_unknown("glmm", unknown, _ARGUMENTS)
    parsed = formula if isinstance(formula, Formula) else parse(formula)
    chosen = get_family(family, link)
    design = Design.build(parsed, data, missing=missing, reference=reference)
    if chosen.outcome_type != "continuous":
        design = design.counted()
    outcome = design.outcome
    assert outcome is not None
    if isinstance(family, _LeftOut):
        check_left_out(outcome)
    chosen.check(outcome.name, outcome.y, outcome.trials, outcome.levels, design.columns.rows)
    check_outcome(outcome, chosen)
    check_exposure(design, chosen)
    check_offset(design, chosen)
    check_groups(design, chosen)
    model = Model(parsed, chosen, Priors.build(priors, design, chosen), design, data, missing)
    check_names(model)
    return model


_ARGUMENTS = ("formula", "data", "family", "link", "priors", "missing", "reference")
