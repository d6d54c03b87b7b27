"""Tables of a posterior: the parameters (`summary`), and the covariance of the random effects (`varcorr`)."""

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.draws import covariance as matrices
from bayesglmm.posterior.moments import summarise
from bayesglmm.specify.model import Model
from bayesglmm.specify.variables import variable_names

__all__ = ["NO_GROUPS", "summary", "varcorr"]

type Array = NDArray[np.float64]

NO_GROUPS = "no random effects in the model"
"""In the place of a frame where the model has no groups."""


def summary(model: Model, draws: xr.DataTree, *, ci_prob: float = 0.95) -> pd.DataFrame:
    """Summarise every parameter but the random effects themselves.

    Parameters
    ----------
    model
        The model.
    draws
        Its draws.
    ci_prob
        The probability of the equal-tailed intervals.

    Returns
    -------
    pandas.DataFrame
        Index `parameter` (`beta[trt]`, `sd_id[Intercept]`, …); columns `mean median sd lower upper r_hat ess_bulk
        ess_tail`; the attribute `ci_prob`. Coefficients are conditional (typical subject, b = 0), on the scale of
        the linear predictor; sds and correlations are those of b on that scale. Without groups coefficients are
        conditional on nothing, and the attribute `frame` says so.

    Raises
    ------
    OptionError
        If `ci_prob` is no probability.
    """
    import arviz as az

    names = [name for name in variable_names(model) if not name.startswith("b_")]
    posterior = draws["posterior"].to_dataset()[names]
    one_chain = posterior.sizes["chain"] < 2
    diagnostics = {
        "r_hat": posterior.mean(("chain", "draw")) * np.nan if one_chain else az.rhat(posterior),
        "ess_bulk": az.ess(posterior, method="bulk"),
        "ess_tail": az.ess(posterior, method="tail"),
    }
    tables = []
    for name in names:
        values = posterior[name].transpose("chain", "draw", ...)
        table = summarise(values.values.reshape(values.shape[0] * values.shape[1], -1), ci_prob)
        for column, statistic in diagnostics.items():
            table[column] = statistic[name].values.reshape(-1)
        labels = [""] if values.ndim == 2 else [f"[{label}]" for label in values[values.dims[2]].values]
        tables.append(table.set_axis([f"{name}{label}" for label in labels], axis=0))
    result = pd.concat(tables)
    result.index.name = "parameter"
    frame = "typical: coefficients are conditional on b = 0" if model.design.blocks else NO_GROUPS
    result.attrs = {"ci_prob": ci_prob, "scale": _scale(model), "frame": frame}
    return result


def varcorr(model: Model, draws: xr.DataTree, *, ci_prob: float = 0.95) -> pd.DataFrame:
    """Summarise G of every block: standard deviations, correlations, variances and covariances.

    Parameters
    ----------
    model, draws, ci_prob
        As in `summary`.

    Returns
    -------
    pandas.DataFrame
        Index `block`, `kind` (`sd`, `correlation`, `covariance`), `row`, `column`; columns `mean median sd lower
        upper`, on the scale of the linear predictor; the attribute `ci_prob`. Variances are the covariances of a
        column with itself. A diagonal block has no correlations.
    """
    arrays = Draws(draws["posterior"].to_dataset(), model.design)
    entries: dict[tuple[str, str, str, str], Array] = {}
    for block in model.design.blocks:
        name, columns, sd, g = block.name, block.columns, arrays.sd(block), arrays.covariance(block)
        for i, column in enumerate(columns):
            entries[name, "sd", column, column] = sd[:, i]
        if block.correlated:
            omega = matrices(np.ones_like(sd), arrays.correlations(block))
            for i in range(block.size):
                for j in range(i):
                    entries[name, "correlation", columns[i], columns[j]] = omega[:, i, j]
        for i in range(block.size):
            for j in range(i + 1) if block.correlated else (i,):
                entries[name, "covariance", columns[i], columns[j]] = g[:, i, j]
    index = pd.MultiIndex.from_tuples(list(entries), names=["block", "kind", "row", "column"])
    values = np.column_stack(list(entries.values())) if entries else np.empty((arrays.size, 0))
    table = summarise(values, ci_prob).set_axis(index, axis=0)
    table.attrs = {"ci_prob": ci_prob, "scale": _scale(model)}
    return table


def _scale(model: Model) -> str:
    return f"linear predictor ({model.family.link.name} link)"
