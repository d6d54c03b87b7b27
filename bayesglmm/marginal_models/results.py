"""`GEEFit` and `GLMFit`: solved estimating equations, with their tables and what they are not."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.common.results import Layout, Result
from bayesglmm.errors import OptionError, choose
from bayesglmm.marginal_models.families import MarginalFamily
from bayesglmm.marginal_models.tables import FORMATS, coefficient_table
from bayesglmm.posterior.summaries import NO_GROUPS
from bayesglmm.specify.describe import notes, size
from bayesglmm.specify.design import Design
from bayesglmm.specify.families.links import Link

if TYPE_CHECKING:
    from bayesglmm.marginal_models.working import Working

__all__ = ["STANDARD_ERRORS", "GEEFit", "GLMFit", "StandardErrors"]

type Array = NDArray[np.float64]
type StandardErrors = Literal["robust", "naive", "bias_reduced"]

STANDARD_ERRORS: tuple[StandardErrors, ...] = ("robust", "naive", "bias_reduced")
"""The standard errors of a `GEEFit`."""

FEW_GROUPS = 40
"""The number of groups below which robust standard errors are said to be too small (Mancl & DeRouen 2001)."""


@dataclass(frozen=True, eq=False, repr=False)
class GEEFit(Result):
    """Population-averaged coefficients by generalized estimating equations; `bayesglmm.gee` makes one.

    Parameters
    ----------
    design
        The design: the coefficients are of its columns; its block is of the groups.
    family, link
        Variance function and link.
    working
        The name of the working correlation.
    working_text
        The same with its estimates in words.
    correlation
        Its parameter: a number; for `"unstructured"` a table of visits by visits; for `"independence"` None.
    beta
        (p,) coefficients, scale of the linear predictor.
    robust, naive
        (p, p) their covariance: by the sandwich, which is right in large samples whatever the correlation within
        groups, and by the working correlation and the variance function.
    bias_reduced
        (p, p) by the sandwich of Mancl & DeRouen (2001), for few groups; None where one group alone determines a
        coefficient.
    dispersion
        φ: the variance of an outcome is φ times the variance function.
    groups
        The number of groups with rows of weight above 0.
    time
        What the working correlation took for the time of rows, in words; empty where it has none.
    notes
        What of the formula was not used.

    References
    ----------
    Liang & Zeger (1986), Biometrika 73, 13-22.
    Mancl & DeRouen (2001), Biometrics 57, 126-134.
    """

    design: Design
    family: MarginalFamily
    link: Link
    working: "Working"
    working_text: str
    correlation: Any
    beta: Array
    robust: Array
    naive: Array
    bias_reduced: Array | None
    dispersion: float
    groups: int
    time: str = ""
    notes: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """The summary at its defaults."""
        return self.summary()

    @property
    def coef(self) -> tuple[str, ...]:
        """The names of the coefficients."""
        return self.design.coef

    @property
    def n(self) -> int:
        """The number of rows."""
        return self.design.n

    @property
    def findings(self) -> tuple[str, ...]:
        """What a reader must know of these data: few groups."""
        if self.groups >= FEW_GROUPS:
            return ()
        remedy = (
            'summary(standard_errors="bias_reduced") corrects them (Mancl & DeRouen 2001)'
            if self.bias_reduced is not None
            else "they cannot be corrected here, since one group alone determines a coefficient"
        )
        return (
            f"{self.groups} groups are few: robust standard errors are right for many groups, and below some "
            f"{FEW_GROUPS} too small on average; {remedy}",
        )

    def covariance(self, standard_errors: StandardErrors = "robust") -> pd.DataFrame:
        """Return the covariance of the coefficients, index and columns their names; link scale.

        Parameters
        ----------
        standard_errors
            `"robust"`, `"naive"` or `"bias_reduced"`, as in `summary`.

        Raises
        ------
        OptionError
            For another, and for `"bias_reduced"` where it is not defined.
        """
        chosen = choose("standard_errors", standard_errors, STANDARD_ERRORS)
        matrix = {"robust": self.robust, "naive": self.naive, "bias_reduced": self.bias_reduced}[chosen]
        if matrix is None:
            raise OptionError(
                "the bias-reduced sandwich is not defined: one group alone determines a coefficient, and says nothing "
                'of it without itself; drop that term or use standard_errors="robust"'
            )
        return pd.DataFrame(matrix, self.coef, self.coef)

    def summary(self, *, ci_prob: float = 0.95, standard_errors: StandardErrors = "robust") -> pd.DataFrame:
        """Tabulate the coefficients.

        Parameters
        ----------
        ci_prob
            The confidence level of the Wald intervals.
        standard_errors
            `"robust"`, `"naive"` (right only if working correlation and variance are), or `"bias_reduced"`.

        Returns
        -------
        pandas.DataFrame
            Index `parameter` (`beta[trt]`, …, as in `Fit.summary`); columns `estimate std_error statistic p_value lower
            upper`, on the scale of the linear predictor; statistics are compared with the standard normal. The
            attributes `ci_prob`, `scale`, `frame` and `standard_errors` say what the numbers are.

        Raises
        ------
        OptionError
            As `covariance`, and if `ci_prob` is no probability.
        """
        covariance = self.covariance(standard_errors).to_numpy()
        table = coefficient_table(self.coef, self.beta, covariance, np.inf, ci_prob)
        table.attrs = {
            "ci_prob": ci_prob,
            "scale": _scale(self.link),
            "frame": f"population: coefficients are averages over {self._factor} (marginal)",
            "standard_errors": standard_errors,
            "method": f"generalized estimating equations, working correlation {self.working}, {standard_errors} errors",
        }
        return table

    @property
    def _factor(self) -> str:
        return self.design.blocks[0].factor

    def _layout(self) -> Layout:
        above = (
            "population-averaged (marginal) coefficients by generalized estimating equations; robust standard errors; "
            f"working correlation {self.working_text}",
            str(self.design.formula),
            f"{self.family.name} mean and variance, {self.link.name} link; {size(self.design)}",
            *notes(self.design),
            *([f"time of rows: {self.time}"] if self.time else []),
            f"dispersion φ = {self.dispersion:.4g}, variance {self.family.variance_text}; 95 % Wald intervals on the "
            f"{self.link.scale}",
            *self.notes,
        )
        return Layout(above, self.summary(), self.findings, {"formatters": FORMATS}, 110)


@dataclass(frozen=True, eq=False, repr=False)
class GLMFit(Result):
    """A generalized linear model by quasi-likelihood: a mean, a variance, a dispersion, and no distribution.

    Parameters
    ----------
    design
        The design.
    family, link
        Variance function and link.
    beta
        (p,) coefficients, scale of the linear predictor.
    covariance_matrix
        (p, p) their covariance, φ (XᵀWX)⁻¹.
    dispersion
        φ = X²/df: the variance of an outcome is φ times the variance function.
    pearson
        X², the sum of squares of Pearson residuals.
    deviance
        The deviance at φ = 1.
    df_residual
        The number of rows, each counted by its weight, less that of the coefficients.

    References
    ----------
    Wedderburn (1974), Biometrika 61, 439-447.
    McCullagh & Nelder (1989), Generalized Linear Models, 2nd ed., chapter 9.
    """

    design: Design
    family: MarginalFamily
    link: Link
    beta: Array
    covariance_matrix: Array
    dispersion: float
    pearson: float
    deviance: float
    df_residual: float

    @property
    def table(self) -> pd.DataFrame:
        """The summary at its defaults."""
        return self.summary()

    @property
    def coef(self) -> tuple[str, ...]:
        """The names of the coefficients."""
        return self.design.coef

    @property
    def n(self) -> int:
        """The number of rows."""
        return self.design.n

    def covariance(self) -> pd.DataFrame:
        """Return the covariance of the coefficients, index and columns their names; link scale."""
        return pd.DataFrame(self.covariance_matrix, self.coef, self.coef)

    def summary(self, *, ci_prob: float = 0.95) -> pd.DataFrame:
        """Tabulate the coefficients.

        Parameters
        ----------
        ci_prob
            The confidence level of the Wald intervals.

        Returns
        -------
        pandas.DataFrame
            Index `parameter` (`beta[trt]`, …, as in `Fit.summary`); columns `estimate std_error statistic p_value lower
            upper`, on the scale of the linear predictor; statistics are compared with the t distribution of
            `df_residual` degrees of freedom, since φ is estimated.

        Raises
        ------
        OptionError
            If `ci_prob` is no probability.
        """
        table = coefficient_table(self.coef, self.beta, self.covariance_matrix, self.df_residual, ci_prob)
        table.attrs = {"ci_prob": ci_prob, "scale": _scale(self.link), "frame": NO_GROUPS}
        table.attrs["method"] = "quasi-likelihood"
        return table

    @property
    def loglik(self) -> NoReturn:
        """There is none: raises OptionError."""
        self._refuse("log-likelihood")

    @property
    def aic(self) -> NoReturn:
        """There is none: raises OptionError."""
        self._refuse("AIC")

    @property
    def bic(self) -> NoReturn:
        """There is none: raises OptionError."""
        self._refuse("BIC")

    def _refuse(self, what: str) -> NoReturn:
        instead = "negative_binomial" if self.family.name == "quasi_poisson" else "binomial"
        raise OptionError(
            f"'{self.family.name}' has no {what}: quasi-likelihood assumes a mean and a variance, no distribution; "
            f"compare nested models by F tests of their deviances, or use a distribution such as '{instead}'"
        )

    def _layout(self) -> Layout:
        above: tuple[str, ...] = (
            f"quasi-likelihood, {self.family.name} mean and variance, {self.link.name} link; standard errors "
            "multiplied by √φ",
            str(self.design.formula),
            size(self.design),
            *notes(self.design),
            f"dispersion φ = {self.dispersion:.4g} = X²/df = {self.pearson:.4g}/{self.df_residual:g}, variance "
            f"{self.family.variance_text}; deviance {self.deviance:.4g}; no log-likelihood, no AIC",
            f"95 % intervals of the t distribution on the {self.link.scale}",
        )
        return Layout(above, self.summary(), (), {"formatters": FORMATS}, 110)


def _scale(link: Link) -> Hashable:
    return f"linear predictor ({link.name} link)"
