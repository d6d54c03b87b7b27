"""Bayes factors against Savage–Dickey ratios and exact integrals; what they say of the priors."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesglmm as bg
from bayesglmm.errors import OptionError

N = 40


def data(slope: float) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    x = rng.normal(size=N)
    return pd.DataFrame({"x": x, "y": 1 + slope * x + rng.normal(size=N)})


def fits(slope: float, sd: float = 2.0) -> dict[str, bg.Fit]:
    priors = {"Intercept": "normal(0, 3)", "sigma": "exponential(1)"}
    settings = {"seed": 1, "progress": False}
    return {
        "null": bg.fit("y ~ 1", data(slope), "gaussian", priors=priors, **settings),
        "x": bg.fit("y ~ x", data(slope), "gaussian", priors={**priors, "slopes": f"normal(0, {sd})"}, **settings),
    }


def exact(slope: float, sd: float) -> float:
    """log p(y | with x) − log p(y | without): normal given σ, which is integrated over by Gauss–Legendre."""
    table = data(slope)
    u, weight = np.polynomial.legendre.leggauss(60)
    logs = []
    for scales in ((3.0,), (3.0, sd)):
        columns = np.column_stack([np.ones(N), table["x"]])[:, : len(scales)]
        prior = columns @ np.diag(np.square(scales)) @ columns.T
        given = [stats.multivariate_normal(np.zeros(N), prior + s**2 * np.eye(N)).logpdf(table["y"]) for s in 2 + 2 * u]
        logs.append(np.logaddexp.reduce(np.array(given) - (2 + 2 * u) + np.log(2 * weight)))
    return float(logs[1] - logs[0])


@pytest.mark.parametrize("slope", [0.0, 0.4])
def test_the_bayes_factor_and_what_other_priors_would_make_of_it(slope) -> None:
    found = bg.bayes_factors(fits(slope), reference="null")
    row = found.table.loc["x"]
    for column, sd in (("log_bayes_factor", 2.0), ("half", 1.0), ("double", 4.0)):
        assert abs(row[column] - exact(slope, sd)) < 4 * row["log_bayes_factor_error"] + 0.02
    assert row["log_bayes_factor_error"] < 0.02
    assert row["bayes_factor"] == pytest.approx(np.exp(row["log_bayes_factor"]))
    assert found.table["probability"].sum() == pytest.approx(1)
    assert row["probability"] == pytest.approx(1 / (1 + 1 / row["bayes_factor"]))
    assert found.differing == {"x": ("beta[x]",)}


def test_the_best_is_the_reference_unless_another_is_named() -> None:
    found = bg.bayes_factors(fits(2.0))
    assert found.reference == "x"
    assert found.table.loc["null", "log_bayes_factor"] < -20
    assert "null against x: the data favour x (priors of beta[x])." in found.to_text()
    assert "10^-" in found.to_text()
    assert "depends on the priors of the parameters that differ" in found._repr_html_()
    with pytest.raises(OptionError, match="reference='y' is not an option"):
        bg.bayes_factors(fits(2.0), reference="y")


def test_parameters_of_other_families_and_priors_differ() -> None:
    counts = pd.DataFrame({"y": np.random.default_rng(1).poisson(3, 30)})
    settings = {"seed": 1, "progress": False, "draws": 500}
    models = {
        "poisson": bg.fit("y ~ 1", counts, "poisson", **settings),
        "negative binomial": bg.fit("y ~ 1", counts, "negative_binomial", **settings),
        "other prior": bg.fit("y ~ 1", counts, "poisson", priors={"Intercept": "normal(0, 1)"}, **settings),
    }
    found = bg.bayes_factors(models, reference="poisson")
    assert found.differing == {"negative binomial": ("phi",), "other prior": ("beta[Intercept]",)}
    picture = found.plot()
    (axes,) = picture.axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["negative binomial", "other prior"]
    np.testing.assert_allclose(axes.lines[1].get_xdata(), found.table.drop(index="poisson")["half"])
