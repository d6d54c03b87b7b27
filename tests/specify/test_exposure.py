"""`y | rate(e)`: for Poisson counts an offset, for negative binomial counts a sum over e units."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from compiled_density import agree, density
from handmade import hand_made
from scipy import stats

import bayesglmm as bg
from bayesglmm import Fit
from bayesglmm.errors import DataError, FormulaError, ResponseError
from bayesglmm.estimands.icc import quadratic_variance
from bayesglmm.faces.spec import read_spec
from bayesglmm.logdensity.data_rows import Rows
from bayesglmm.logdensity.header import Bound
from bayesglmm.posterior.pointwise import log_likelihood
from bayesglmm.specify.families import FAMILIES
from bayesglmm.specify.formula import parse

COUNTS = ("poisson", "negative_binomial", "negative_binomial1")


def table(n: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"x": rng.integers(0, 3, n) - 1.0, "g": np.arange(n) % 5, "w": rng.integers(1, 4, n)})
    data["e"] = rng.choice([0.5, 2.0, 8.0], n)
    return data.assign(y=rng.negative_binomial(1.5, 1.5 / (1.5 + 2 * data["e"])))


@pytest.mark.parametrize("family", ["poisson", "negative_binomial1"])
@pytest.mark.parametrize("merged", [False, True], ids=["rows as they are", "merged"])
def test_a_rate_is_an_offset_where_sums_of_units_have_the_same_parameters(family: str, merged: bool) -> None:
    rate, offset = (
        bg.glmm(formula, table(), family)
        for formula in ("y | rate(e) ~ x + (1 | g)", "y ~ x + offset(log(e)) + (1 | g)")
    )
    assert str(rate.priors) == str(offset.priors)
    rows = Rows.merged if merged else Rows.of
    one, other = (Bound.of(model, rows=rows(model)) for model in (rate, offset))
    x = 0.3 * np.random.default_rng(8).normal(size=one.dim)
    (value, gradient, _), (expected, slopes, _) = density(one, x), density(other, x)
    assert value == expected
    np.testing.assert_array_equal(gradient, slopes)


@pytest.mark.parametrize("family", COUNTS)
def test_the_density_is_that_of_the_graph(family: str) -> None:
    agree(bg.glmm("y | rate(e) + weights(w) ~ x + (1 + x | g)", table(), family), points=2, spread=0.4)


def test_equal_rows_of_a_negative_binomial_are_merged_where_exposures_are_equal_too() -> None:
    model = bg.glmm("y | rate(e) ~ x + (1 | g)", pd.concat([table(), table()]), "negative_binomial")
    whole, merged = Bound.of(model, rows=Rows.of(model)), Bound.of(model, rows=Rows.merged(model))
    assert Rows.merged(model).n == len(table().drop_duplicates(["x", "g", "e", "y"]))
    x = 0.3 * np.random.default_rng(8).normal(size=whole.dim)
    assert density(whole, x)[0] == pytest.approx(density(merged, x)[0], rel=1e-12)
    np.testing.assert_allclose(density(whole, x)[1], density(merged, x)[1], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("family", COUNTS)
def test_a_count_over_three_units_is_the_sum_of_three_counts(family: str) -> None:
    """The probabilities of the sum are the convolution of those of the units, computed from the density of one."""
    y, parameters = np.arange(60.0), {parameter.name: 1.7 for parameter in FAMILIES[family].parameters}
    unit, total = (
        np.exp(FAMILIES[family].log_density(y, np.full(60, np.log(e * 1.3)), parameters, np.full(60, e))[0])
        for e in (1.0, 3.0)
    )
    np.testing.assert_allclose(np.convolve(np.convolve(unit, unit)[:60], unit)[:60], total, rtol=1e-10)
    arrays = {name: np.full((1, 1), value) for name, value in parameters.items()}
    mean, three = np.array([[3.9]]), np.array([3.0])
    variance = (FAMILIES[family].variance(mean / 3, arrays, np.ones(1)) * 3).item()
    assert FAMILIES[family].variance(mean, arrays, three).item() == pytest.approx(variance, rel=1e-13)
    np.testing.assert_allclose(FAMILIES[family].cdf(y, mean, arrays, three)[0], np.cumsum(total), rtol=1e-9)
    drawn = FAMILIES[family].draw(np.random.default_rng(1), np.full((1, 100_000), 3.9), arrays, np.full(100_000, 3.0))
    assert drawn.mean() == pytest.approx(3.9, abs=5 * (variance / 1e5) ** 0.5)
    assert drawn.var() == pytest.approx(variance, rel=0.05)


@pytest.fixture(scope="module")
def fit() -> Fit:
    return hand_made(bg.glmm("y | rate(e) ~ x + (1 | g)", table(), "negative_binomial"), chains=1, draws=200)


def test_the_likelihood_of_rows_is_scipys_with_the_shape_times_the_exposure(fit: Fit) -> None:
    mean = fit.epred(frame="group").transpose("chain", "draw", "row").values[0]
    size = fit.posterior["phi"].values[0][:, None] * table()["e"].to_numpy()
    expected = stats.nbinom.logpmf(table()["y"], size, size / (size + mean))
    np.testing.assert_allclose(log_likelihood(fit)[0], expected, rtol=1e-9)
    loo = fit.loo(exact=False)
    assert loo.pointwise.sizes == {"row": 40}


def test_predictions_are_those_of_an_offset_and_outcomes_have_the_variance_of_the_sum(fit: Fit) -> None:
    other = Fit(bg.glmm("y ~ x + offset(log(e)) + (1 | g)", table(), "negative_binomial"), fit.draws)
    new = pd.DataFrame({"x": 0.0, "e": [0.5, 8.0], "g": 0})
    for frame in ("typical", "population", "group"):
        np.testing.assert_array_equal(fit.epred(new, frame=frame), other.epred(new, frame=frame))
    for each in (fit, other):
        rates = each.conditional_effects("x")
        assert "per unit of e" in str(rates)
    np.testing.assert_array_equal(fit.conditional_effects("x").draws, other.conditional_effects("x").draws)
    assert "at the offset log(e) of each row" in fit.predictions().estimand
    with pytest.raises(DataError, match="'e'"):
        fit.epred(new.drop(columns="e"))
    many = pd.concat([new] * 400)
    drawn = fit.outcomes(many, frame="typical", seed=1).values.reshape(200, 400, 2)
    mean = fit.epred(new, frame="typical").values.reshape(200, 2)
    variance = mean + mean**2 / (fit.posterior["phi"].values.reshape(200, 1) * new["e"].to_numpy())
    spread = ((drawn - mean[:, None]) ** 2 / variance[:, None]).mean(axis=(0, 1))
    np.testing.assert_allclose(spread, 1, atol=0.05)


def test_checks_and_shares_of_variance_know_the_exposure() -> None:
    """Data of the model with exposures of 1 and 200: without them the variance of the latter is far too large."""
    rng, n = np.random.default_rng(3), 400
    data = pd.DataFrame({"e": np.resize([1.0, 200.0], n), "x": rng.normal(size=n)})
    size = 2.0 * data["e"]
    data["y"] = rng.negative_binomial(size, size / (size + data["e"] * np.exp(1 + 0.3 * data["x"])))
    fits = [
        bg.fit(formula, data, "negative_binomial", seed=1, progress=False)
        for formula in ("y | rate(e) ~ x", "y ~ x + offset(log(e))")
    ]
    assert 0.05 < fits[0].dispersion(seed=1).p_value < 0.95
    assert fits[0].posterior_check("pit", seed=1).p_value > 0.05
    assert fits[0].posterior["phi"].mean() == pytest.approx(2.0, abs=0.6)
    assert fits[1].posterior_check("pit", seed=1).p_value < 0.01
    assert fits[0].loo().elpd > fits[1].loo().elpd + 10
    parameters = {"phi": np.full((1, 1), 2.0)}
    _, _, square = quadratic_variance(fits[0].model.family, parameters, exposure=np.array([1.0, 4.0]))
    np.testing.assert_allclose(square, [[1 / 2, 1 / 8]])


def test_a_saved_fit_and_a_spec_keep_the_exposure(fit: Fit, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(
        'title = "Counts"\ndata = "seizure"\nformula = "count | rate(weeks) ~ trt + (1 | id)"\n'
        'family = "negative_binomial"\n'
    )
    assert set(read_spec(tmp_path / "study.toml").model().design.exposures) == {2.0, 8.0}
    fit.save(tmp_path / "fit")
    again = bg.load(tmp_path / "fit")
    assert str(again.model.formula) == "y | rate(e) ~ x + (1 | g)"
    np.testing.assert_array_equal(again.model.design.exposure, table()["e"])
    np.testing.assert_array_equal(log_likelihood(again), log_likelihood(fit))
    assert "y ~ NegativeBinomial(μ, φ·e)" in str(fit.model)
    assert "log μ = log(e) + β[Intercept]" in str(fit.model)
    assert "φ·(e / 2)" in str(bg.glmm("y | rate(e / 2) ~ x", table(), "negative_binomial"))


def test_what_has_no_exposure_is_refused_with_what_to_write() -> None:
    data = table()
    with pytest.raises(ResponseError, match=r"the gamma family has not; write offset\(log\(e\)\)"):
        bg.glmm("y | rate(e) ~ x", data.assign(y=data["y"] + 1), "gamma")
    with pytest.raises(ResponseError, match="the bernoulli family has not; leave it out"):
        bg.glmm("y | rate(e) ~ x", data.assign(y=data["y"] > 1), "bernoulli")
    with pytest.raises(ResponseError, match="the link is sqrt: use link='log'"):
        bg.glmm("y | rate(e) ~ x", data, "poisson", link="sqrt")
    with pytest.raises(DataError, match=r"rate\(e\) has 0 in row 0 "):
        bg.glmm("y | rate(e) ~ x", data.assign(e=data["e"].where(data.index > 0, 0.0)), "poisson")
    for text in ("p(s, n) | rate(e) ~ x", "s | trials(n) + rate(e) ~ x"):
        with pytest.raises(FormulaError, match="successes among trials have no exposure"):
            parse(text)
