"""Which fits may be compared: same outcomes, same rows, likelihoods in the same units."""

import numpy as np
import pandas as pd
import pytest
from handmade import hand_made, seizure_like

import bayesglmm as bg
from bayesglmm.comparison.same_data import refuse_different
from bayesglmm.errors import DataError, OptionError


def made(formula: str, family: str, data: pd.DataFrame | None = None, **options) -> bg.Fit:
    return hand_made(bg.glmm(formula, seizure_like() if data is None else data, family, **options), draws=5)


def test_the_same_outcomes_in_the_same_rows_may_be_compared() -> None:
    refuse_different({"a": made("count ~ 1", "poisson"), "b": made("count ~ trt + (1 | id)", "negative_binomial")})
    text = seizure_like().assign(event=lambda table: np.where(table["event"] == 1, "yes", "no"))
    other = made("event ~ 1", "bernoulli", text, reference={"event": "yes"})
    refuse_different({"a": made("event ~ age", "bernoulli", text), "b": other})


def test_rows_dropped_for_missing_values_are_noticed() -> None:
    data = seizure_like()
    data["u"] = np.where(np.arange(len(data)) == 3, np.nan, 1.0 * np.arange(len(data)))
    data["v"] = np.where(np.arange(len(data)) == 4, np.nan, 1.0 * np.arange(len(data)))
    one, other = (made(f"count ~ {name}", "poisson", data, missing="drop") for name in "uv")
    with pytest.raises(DataError, match="60 and 59 rows: rows with missing values may have been dropped in one"):
        refuse_different({"a": made("count ~ 1", "poisson", data), "b": one})
    with pytest.raises(DataError, match="'b' and 'c' were fitted on other rows of the data"):
        refuse_different({"b": one, "c": other})


def test_other_outcomes_and_other_units_are_refused() -> None:
    data = seizure_like()
    base = made("age ~ 1", "gaussian")
    with pytest.raises(DataError, match=r"different outcomes, age and log\(age\)"):
        refuse_different({"a": base, "b": made("log(age) ~ 1", "gaussian")})
    changed = data.assign(age=data["age"] + (np.arange(len(data)) == 2))
    with pytest.raises(DataError, match="different values of age in row 2"):
        refuse_different({"a": base, "b": made("age ~ 1", "gaussian", changed)})
    with pytest.raises(DataError, match="gaussian family gives an outcome a density, the poisson family a probability"):
        refuse_different({"a": made("count ~ 1", "poisson"), "b": made("count ~ 1", "gaussian")})


def test_counts_among_trials_are_other_rows_than_single_trials() -> None:
    long = pd.DataFrame({"y": [0, 1, 1, 0, 1, 1]})
    short = pd.DataFrame({"k": [2, 2], "n": [3, 3]})
    with pytest.raises(DataError, match="a likelihood of counts has binomial coefficients"):
        refuse_different({"a": made("y ~ 1", "bernoulli", long), "b": made("p(k, n) ~ 1", "binomial", short)})


def test_a_comparison_is_of_two_fits_to_data() -> None:
    one = made("count ~ 1", "poisson")
    with pytest.raises(OptionError, match="needs two fits or more"):
        refuse_different({"a": one})
    prior = made("count ~ 1", "poisson")
    prior.draws.attrs["prior_only"] = 1
    with pytest.raises(OptionError, match="'b' holds draws from the prior alone"):
        refuse_different({"a": one, "b": prior})
