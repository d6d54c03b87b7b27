"""Tables of a posterior: the parameters, and the covariance of every block."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.errors import OptionError
from bayesglmm.specify.model import Model
from bayesglmm.specify.variables import variable_names

__all__ = ["NO_GROUPS", "covariance", "covariance_draws", "interval", "summary"]

NO_GROUPS = "no random effects in the model"
"""Whose numbers those of a model without groups are."""


def summary(model: Model, draws: xr.DataTree, ci_prob: float = 0.95) -> pd.DataFrame:
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
        Index `parameter` (`beta[trt]`, `sd_id[Intercept]`, …); columns `mean sd lower upper ess_bulk
        ess_tail r_hat`. Coefficients are conditional (typical subject, b = 0), on the scale of the
        linear predictor; sds and correlations are those of b on that scale. Without groups coefficients are
        conditional on nothing, and the attribute `frame` says so.
    """
    import arviz as az

    names = [name for name in variable_names(model) if not name.startswith("b_")]
    posterior = draws["posterior"].to_dataset()[names]
    one_chain = posterior.sizes["chain"] < 2
    columns = {
        "ess_bulk": az.ess(posterior, method="bulk"),
        "ess_tail": az.ess(posterior, method="tail"),
        "r_hat": posterior.mean(("chain", "draw")) * np.nan if one_chain else az.rhat(posterior),
    }
    parts = []
    for name in names:
        values = posterior[name].transpose("chain", "draw", ...)
        flat = values.values.reshape(values.shape[0] * values.shape[1], -1)
        table = _moments(flat, ci_prob)
        for key, statistic in columns.items():
            table[key] = statistic[name].values.reshape(-1)
        labels = [""] if values.ndim == 2 else [f"[{label}]" for label in values[values.dims[2]].values]
        parts.append(table.set_axis([f"{name}{label}" for label in labels], axis=0))
    result = pd.concat(parts)
    result.index.name = "parameter"
    result.attrs = {
        "ci_prob": ci_prob,
        "scale": f"linear predictor ({model.family.link.name} link)",
        "frame": "typical: coefficients are conditional on b = 0" if model.design.blocks else NO_GROUPS,
    }
    return result


def covariance(model: Model, draws: xr.DataTree, ci_prob: float = 0.95) -> pd.DataFrame:
    """Summarise G of every block: standard deviations, correlations, variances and covariances.

    Returns
    -------
    pandas.DataFrame
        Index `block`, `kind` (`sd`, `correlation`, `covariance`), `row`, `column`; columns `mean sd
        median lower upper`, on the scale of the linear predictor. Variances are the covariances of a
        column with itself. A diagonal block has no correlations.
    """
    rows: dict[tuple[str, str, str, str], NDArray[np.float64]] = {}
    for block in model.design.blocks:
        parts = covariance_draws(model, draws, block.name)
        for i, first in enumerate(block.columns):
            rows[block.name, "sd", first, first] = parts["sd"][..., i]
        kinds = ("correlation", "covariance") if block.correlated else ("covariance",)
        for kind in kinds:
            for i, first in enumerate(block.columns):
                last = i + 1 if kind == "covariance" else i
                within = range(last) if block.correlated else range(i, last)
                for j in within:
                    rows[block.name, kind, first, block.columns[j]] = parts[kind][..., i, j]
    index = pd.MultiIndex.from_tuples(list(rows), names=["block", "kind", "row", "column"])
    if not rows:
        return pd.DataFrame(columns=["mean", "sd", "median", "lower", "upper"], index=index, dtype=float)
    flat = np.column_stack([values.reshape(-1) for values in rows.values()])
    table = _moments(flat, ci_prob)
    table.insert(2, "median", np.median(flat, axis=0))
    table.attrs = {"ci_prob": ci_prob, "scale": f"linear predictor ({model.family.link.name} link)"}
    return table.set_axis(index, axis=0)


def covariance_draws(model: Model, draws: xr.DataTree, name: str) -> dict[str, NDArray[np.float64]]:
    """Return the draws of a block's `sd` (chain, draw, k), `correlation` and `covariance` (chain, draw, k, k)."""
    (block,) = (block for block in model.design.blocks if block.name == name)
    posterior = draws["posterior"]
    sd = posterior[f"sd_{name}"].transpose("chain", "draw", ...).values
    correlation = np.broadcast_to(np.eye(block.size), (*sd.shape, block.size)).copy()
    if block.correlated:
        pairs = posterior[f"corr_{name}"].transpose("chain", "draw", ...).values
        lower = np.tril_indices(block.size, -1)
        correlation[..., lower[0], lower[1]] = pairs
        correlation[..., lower[1], lower[0]] = pairs
    return {"sd": sd, "correlation": correlation, "covariance": sd[..., :, None] * correlation * sd[..., None, :]}


def interval(ci_prob: Any) -> tuple[float, float]:
    """Return the two quantiles of an equal-tailed interval.

    Raises
    ------
    OptionError
        If the probability is not between 0 and 1.
    """
    if not isinstance(ci_prob, int | float) or not 0 < ci_prob < 1:
        raise OptionError(f"ci_prob={ci_prob!r} is not a probability between 0 and 1, such as 0.95")
    return (1 - ci_prob) / 2, (1 + ci_prob) / 2


def _moments(flat: NDArray[np.float64], ci_prob: float) -> pd.DataFrame:
    """Summarise draws (s, k) as k rows."""
    lower, upper = np.quantile(flat, interval(ci_prob), axis=0)
    return pd.DataFrame({"mean": flat.mean(axis=0), "sd": flat.std(axis=0, ddof=1), "lower": lower, "upper": upper})
