"""`wald(fit, hypotheses)`: hypotheses about parameters by the asymptotic normal, one by one and all together.

References
----------
Wald (1943), Transactions of the American Mathematical Society 54, 426-482.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from bayesglmm.common.results import Layout, Result
from bayesglmm.errors import OptionError
from bayesglmm.estimands.hypothesis import estimate_text
from bayesglmm.estimands.hypothesis_names import ParameterNames, parameters
from bayesglmm.estimands.hypothesis_text import evaluated, read_statements, uses
from bayesglmm.likelihood.asymptotic import Asymptotic
from bayesglmm.posterior.moments import interval
from bayesglmm.specify.model import Model

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["WaldTest", "wald"]

type Array = NDArray[np.float64]


class _Fitted(Protocol):
    @property
    def model(self) -> Model: ...
    @property
    def asymptotic(self) -> Asymptotic: ...
    @property
    def how(self) -> str: ...


@dataclass(frozen=True, eq=False, repr=False)
class WaldTest(Result):
    """Wald tests of hypotheses.

    Parameters
    ----------
    table
        Index `hypothesis`; columns `estimate std_error statistic p_value lower upper`: of the left-hand side minus
        the right-hand side unless that is a number; the p-value is two-sided, of equality.
    statistic, df, p_value
        Of all of them together: χ² on as many degrees of freedom as there are linearly independent ones.
    how
        How the likelihood was maximised.
    ci_prob
        The coverage of the intervals in large samples.
    """

    table: pd.DataFrame
    statistic: float
    df: int
    p_value: float
    how: str
    ci_prob: float

    def plot(self) -> "Picture":
        """Draw estimates and intervals as a forest: see `bayesglmm.plots.wald`."""
        from bayesglmm.plots.wald import draw

        return draw(self)

    def _layout(self) -> Layout:
        above = (f"Wald tests of parameters, two-sided; {self.how}; {100 * self.ci_prob:g} % intervals.",)
        joint = f"all together: χ²({self.df}) = {self.statistic:.3f}, p = {self.p_value:.4g}"
        return Layout(
            above, self.table, (joint,) if len(self.table) > 1 else (), {"float_format": "{:.4g}".format}, 110
        )


def wald(fit: _Fitted, hypotheses: str | Sequence[str] | Mapping[str, str], *, ci_prob: float = 0.95) -> WaldTest:
    """Test hypotheses about parameters.

    Parameters
    ----------
    fit
        The maximum-likelihood fit.
    hypotheses
        As in `Fit.hypothesis`: `"trt + trt:time = 0"`, several, or a mapping of names to them; a quantity alone is
        compared with 0. What is not linear goes by the delta method.
    ci_prob
        The coverage of the intervals in large samples.

    Raises
    ------
    OptionError
        For a fit without standard errors, an sd at 0, or a statement of no parameter.
    FormulaError
        For text that cannot be read.
    """
    interval(ci_prob)
    model, asymptotic = fit.model, fit.asymptotic
    if not asymptotic.definite:
        raise OptionError("the fit has no standard errors, as its Hessian is not positive definite; see its check()")
    statements = read_statements(hypotheses, ParameterNames(model))
    places = {name: place for place, name in enumerate(parameters(model))}
    used = {name for each in statements.values() for name in uses(each.quantity)}
    if ends := sorted(used & set(asymptotic.at_zero)):
        raise OptionError(
            f"{', '.join(ends)} is at the end of its range, where Wald's test is not valid; drop it and use "
            "bg.likelihood_ratio"
        )

    def quantities(thetas: Array) -> Array:
        values = asymptotic.quantities(thetas)
        draws = {name: values[:, place] for name, place in places.items()}
        columns = [evaluated(each.quantity, draws, each.text) for each in statements.values()]
        return np.column_stack([np.broadcast_to(column, len(thetas)) for column in columns])

    estimates, jacobian = asymptotic.jacobian(quantities)
    covariance = jacobian @ asymptotic.covariance @ jacobian.T
    errors = np.sqrt(np.diag(covariance))
    difference = estimates - np.array([each.null or 0.0 for each in statements.values()])
    z = difference / errors
    half = float(stats.norm.ppf((1 + ci_prob) / 2)) * errors
    table = pd.DataFrame(
        {
            "quantity": [estimate_text(each) for each in statements.values()],
            "estimate": estimates,
            "std_error": errors,
            "statistic": z,
            "p_value": 2 * stats.norm.sf(np.abs(z)),
            "lower": estimates - half,
            "upper": estimates + half,
        },
        index=pd.Index(list(statements), name="hypothesis"),
    )
    rank = int(np.linalg.matrix_rank(covariance / np.outer(errors, errors)))
    statistic = float(difference @ np.linalg.pinv(covariance, hermitian=True) @ difference)
    return WaldTest(table, statistic, rank, float(stats.chi2.sf(statistic, rank)), fit.how, ci_prob)
