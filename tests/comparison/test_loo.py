"""Leave-one-out, folds and comparisons: against refits, SciPy's densities and ArviZ."""

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from by_hand import FAMILY_ROWS
from handmade import hand_made, seizure_fit
from scipy import special

import bayesglmm as bg
from bayesglmm import Fit
from bayesglmm.comparison.compare import stacking_weights
from bayesglmm.comparison.left_out import log_predictive
from bayesglmm.comparison.loo import loo
from bayesglmm.errors import DataError, OptionError
from bayesglmm.posterior.pointwise import log_likelihood
from bayesglmm.posterior.protocol import Thinned
from bayesglmm.specify.families import FAMILIES

pytestmark = pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto:UserWarning")

SETTINGS = {"seed": 1, "progress": False}


@pytest.fixture(scope="module")
def small() -> Fit:
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"g": np.repeat(np.arange(8), 5), "x": rng.normal(size=40)})
    data["y"] = rng.poisson(np.exp(0.5 + 0.4 * data["x"] + 0.5 * rng.normal(size=8)[data["g"]]))
    return bg.fit("y ~ x + (1 | g)", data, "poisson", **SETTINGS)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_log_likelihood_of_rows_is_scipys_log_density(family: str) -> None:
    rng, row = np.random.default_rng(2), FAMILY_ROWS[family]
    data = pd.DataFrame({"x": rng.normal(size=9), "trials": 6, "g": np.arange(9) % 3, "w": rng.uniform(0.5, 2, 9)})
    data["y"] = row.outcomes(rng, 9)
    left = "p(y, trials)" if FAMILIES[family].outcome_type == "trials" else "y"
    fit = hand_made(bg.glmm(f"{left} | weights(w) ~ x + (1 | g)", data, family), draws=3, chains=2)
    values = log_likelihood(fit)
    assert values.dims == ("chain", "draw", "row")
    mean = fit.epred(frame="group").transpose("chain", "draw", "row").values
    if FAMILIES[family].outcome_type == "trials":
        mean = mean / 6 if mean.max() > 1 else mean
    for chain in range(2):
        for draw in range(3):
            named = {p.name: float(fit.posterior[p.name][chain, draw]) for p in fit.model.family.parameters}
            expected = data["w"] * row.logpdf(data["y"].to_numpy(float), mean[chain, draw], named, np.full(9, 6.0))
            np.testing.assert_allclose(values[chain, draw], expected, rtol=1e-9, atol=1e-10)


def test_rows_left_out_are_those_of_arviz_and_of_fits_without_them(small: Fit) -> None:
    weighted, exact = small.loo(exact=False), small.loo()
    theirs = az.loo(small.draws, pointwise=True, var_name="y")
    assert weighted.elpd == pytest.approx(theirs.elpd)
    assert weighted.se == pytest.approx(theirs.se, rel=0.03)  # ArviZ's divides by n, not n − 1
    assert weighted.p_loo == pytest.approx(theirs.p, abs=0.05)
    assert exact.unreliable == ()
    assert exact.integrated == weighted.unreliable
    assert exact.refitted == weighted.integrated == ()
    for row in (0, 17, 33):
        alone = log_predictive(small, small._refit, np.arange(40) == row, None)
        assert float(exact.pointwise[row]) == pytest.approx(float(alone[0]), abs=0.12)


def test_groups_left_out_are_predicted_as_by_fits_without_them(small: Fit) -> None:
    groups = small.loo("g")
    assert groups.unit == "g"
    assert "integrated out over N(0, G)" in str(groups)
    index = small.model.design.blocks[0].index
    for level in (1, 6):
        alone = log_predictive(small, small._refit, index == level, "g")
        assert float(groups.pointwise[level]) == pytest.approx(float(alone[0]), abs=0.25)
    assert groups.elpd < small.loo(exact=False).elpd


def test_fewer_draws_are_those_of_the_thinned_posterior(small: Fit) -> None:
    every, some = small.loo("g"), small.loo("g", max_draws=800)
    thinned = Thinned(small.model, small.draws, 5)
    assert "at 800 of 4,000 draws" in some.method
    assert "draws" not in every.method
    np.testing.assert_array_equal(some.pointwise, loo(thinned, small._refit, "g").pointwise)
    assert some.elpd == pytest.approx(every.elpd, abs=0.5)
    compared = bg.compare({"a": small, "b": small}, "g", max_draws=800)
    assert compared.elpds["a"].elpd == some.elpd
    with pytest.raises(OptionError, match="max_draws=99 is too few to weight; give 100 or more"):
        small.loo(max_draws=99)


def test_folds_leave_out_each_unit_once(small: Fit) -> None:
    folds = small.kfold(4, by="g")
    assert folds.pointwise.sizes == {"g": 8}
    assert folds.elpd == pytest.approx(small.loo("g").elpd, abs=2.0)
    for k in (1, 9, 2.5):
        with pytest.raises(OptionError, match="whole number of parts from 2 to 8"):
            small.kfold(k, by="g")  # type: ignore[arg-type]


def test_a_row_left_out_of_a_gaussian_has_its_predictive_density_in_closed_form() -> None:
    """One mean with a normal prior and a known sd: the predictive density of y is normal, of sd √(σ² + v)."""
    y = np.array([0.3, -0.4, 1.1, 0.2, 0.9])
    priors = {"intercept": "normal(0, 2)", "sigma": "uniform(0.9999, 1.0001)"}
    fit = bg.fit("y ~ 1", pd.DataFrame({"y": y}), "gaussian", priors=priors, seed=1, progress=False)
    others = np.delete(y, 2)
    v = 1 / (len(others) + 1 / 4)
    expected = -0.5 * np.log(2 * np.pi * (1 + v)) - (y[2] - v * others.sum()) ** 2 / (2 * (1 + v))
    assert float(fit.loo().pointwise[2]) == pytest.approx(expected, abs=0.02)
    assert float(fit.kfold(5).pointwise[2]) == pytest.approx(expected, abs=0.02)


def test_stacking_weights_have_the_largest_score() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(-2, 1, (60, 1)) + rng.normal([0, -0.2, -0.6], 0.7, (60, 3))
    weights = stacking_weights(values)
    assert weights.sum() == pytest.approx(1)

    def score(w: np.ndarray) -> float:
        return float(special.logsumexp(values + np.log(w), axis=1).sum())

    steps = np.linspace(0.001, 0.998, 60)
    grid = [np.array([a, b, 1 - a - b]) for a in steps for b in steps if a + b < 1]
    assert score(weights) >= max(map(score, grid)) - 1e-6


def test_negative_binomial_predicts_seizures_better_than_poisson() -> None:
    poisson = seizure_fit()
    wider = bg.fit(str(poisson.model.formula), poisson.model.data, "negative_binomial", **SETTINGS)
    compared = bg.compare({"poisson": poisson.loo(exact=False), "negative binomial": wider.loo(exact=False)})
    assert list(compared.table.columns) == ["elpd", "se", "elpd_diff", "se_diff", "p_loo", "weight"]
    assert compared.table["elpd_diff"].iloc[0] == 0
    assert compared.table["weight"].sum() == pytest.approx(1)
    assert len(compared.readings) == 1
    for picture in (compared.plot(), compared.elpds["poisson"].plot()):
        assert picture.png().startswith(b"\x89PNG")


def test_what_cannot_be_compared_is_refused(small: Fit) -> None:
    other = small.update(data=small.model.data.assign(y=lambda d: d["y"] + 1), progress=False, draws=50, chains=2)
    with pytest.raises(DataError, match="different values of y"):
        bg.compare({"a": small, "b": other})
    with pytest.raises(OptionError, match="two models or more"):
        bg.compare({"a": small.loo(exact=False)})
    with pytest.raises(OptionError, match="different units"):
        bg.compare({"rows": small.loo(exact=False), "groups": small.loo("g")})
    with pytest.raises(OptionError, match="one is of folds"):
        bg.compare({"folds": small.kfold(2), "left out": small.loo(exact=False)})
    with pytest.raises(OptionError, match="neither 'row' nor a grouping factor"):
        small.loo("centre")
    assert isinstance(small.loo(exact=False).pareto_k, xr.DataArray)


def test_a_refit_that_did_not_mix_is_said(small: Fit) -> None:
    def stuck(model: bg.Model) -> Fit:
        return hand_made(model, draws=200, chains=2, broken=True)

    with pytest.warns(bg.BayesGLMMWarning, match=r"a fit without row 3 .*failed its checks"):
        log_predictive(small, stuck, np.arange(40) == 3, None)
