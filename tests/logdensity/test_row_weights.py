"""Weights of rows: whole ones repeat a row exactly, in the density, the integrals, the priors and the averages."""

import numpy as np
import pandas as pd
import pytest
from by_hand import FAMILY_ROWS
from compiled_density import agree, density

import bayesglmm as bg
from bayesglmm.errors import DataError
from bayesglmm.logdensity.data_rows import Rows
from bayesglmm.logdensity.header import Bound
from bayesglmm.specify.families import FAMILIES
from bayesglmm.specify.model import Model

COMBINATIONS = [(family.name, link) for family in FAMILIES.values() for link in family.links]


def table(family: str, n: int = 48) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    columns = {
        "x": rng.integers(0, 3, n) - 1.0,
        "g": np.arange(n) % 6,
        "h": rng.integers(0, 4, n),
        "trials": rng.integers(4, 9, n),
        "w": rng.integers(0, 4, n),
        "y": FAMILY_ROWS[family].outcomes(rng, n),
    }
    return pd.DataFrame(columns)


def both(family: str, link: str | None = None, rhs: str = "x + (1 + x | g) + (1 | h)") -> tuple[Model, Model]:
    """The model of weighted rows, and that of rows repeated as often as their weight says."""
    data = table(family)
    long = data.loc[data.index.repeat(data["w"])].reset_index(drop=True)
    left = "p(y, trials)" if FAMILIES[family].outcome_type == "trials" else "y"
    return (
        bg.glmm(f"{left} | weights(w) ~ {rhs}", data, family, link=link),
        bg.glmm(f"{left} ~ {rhs}", long, family, link=link),
    )


def point(model: Model, dim: int) -> np.ndarray:
    x = 0.3 * np.random.default_rng(8).normal(size=dim)
    x[0] += 6.0 * model.family.link.name.startswith("inverse")  # these links end at η = 0
    return x


@pytest.mark.parametrize("merged", [False, True], ids=["rows as they are", "merged"])
@pytest.mark.parametrize(("family", "link"), COMBINATIONS)
def test_weights_are_repeated_rows_in_the_density(family: str, link: str, merged: bool) -> None:
    weighted, long = both(family, link)
    rows = Rows.merged if merged else Rows.of
    one, other = Bound.of(weighted, rows=rows(weighted)), Bound.of(long, rows=Rows.of(long))
    x, constants = point(weighted, one.dim), []
    for at in (x, 0.8 * x):
        (value, slope, code), (expected, slopes, _) = density(one, at), density(other, at)
        assert code == 0
        np.testing.assert_allclose(slope, slopes, rtol=1e-10, atol=1e-10 * np.abs(slopes).max())
        constants.append(value - expected)
    assert np.ptp(constants) < 1e-10 * max(1.0, abs(expected))
    if not merged:
        assert constants[0] == pytest.approx(0, abs=1e-10 * max(1.0, abs(expected)))


@pytest.mark.parametrize("preset", ["default", "brms", "rstanarm"])
@pytest.mark.parametrize("family", FAMILIES)
def test_default_priors_are_those_of_repeated_rows(family: str, preset: str) -> None:
    weighted, long = (model.update(priors={"preset": preset}) for model in both(family))
    assert str(weighted.priors) == str(long.priors)
    np.testing.assert_allclose(weighted.design.means, long.design.means, rtol=1e-13)


@pytest.mark.parametrize("family", ["poisson", "binomial", "gamma", "student"])
def test_any_weight_multiplies_the_log_likelihood_as_in_the_graph(family: str) -> None:
    data = table(family).assign(w=np.random.default_rng(4).uniform(0.1, 3, 48))
    left = "p(y, trials)" if family == "binomial" else "y"
    agree(bg.glmm(f"{left} | weights(w) ~ x + (1 + x | g)", data, family), points=2, spread=0.4)


def test_a_group_of_weighted_rows_has_the_integral_of_repeated_rows() -> None:
    for family in ("poisson", "binomial", "gaussian"):
        weighted, long = both(family, rhs="x + (1 + x | g)")
        fit = weighted.fit(seed=1, draws=20, tune=100, chains=1, progress=False)
        repeated = bg.Fit(long, fit.draws)
        np.testing.assert_allclose(fit.group_log_likelihood(), repeated.group_log_likelihood(), rtol=1e-10)
        np.testing.assert_allclose(
            fit.predictions(by="x").draws, repeated.predictions(by="x").draws, rtol=1e-12, atol=1e-12
        )
        np.testing.assert_allclose(fit.coefficients().table, repeated.coefficients().table, rtol=1e-9, atol=1e-12)
        if family != "poisson":
            np.testing.assert_allclose(fit.icc(scale="response"), repeated.icc(scale="response"), rtol=1e-9)
        assert f"48 rows of weight {table(family).w.sum()} in all" in str(fit)
        assert "counting by its weight in the model" in fit.predictions(by="x").estimand


@pytest.mark.parametrize(("values", "reason"), [([-1.0] * 48, "-1 in rows 0"), ([0] * 48, "0 in all rows")])
def test_weights_that_are_none_are_refused(values: list[float], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        bg.glmm("y | weights(w) ~ x", table("poisson").assign(w=values), "poisson")
