"""Predictors that are grouping factors too, steps that leave a formula's domain, models without coefficients."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from handmade import hand_made
from numpy.testing import assert_allclose

from bayesglmm.errors import DataError, OptionError
from bayesglmm.estimands.reference_values import steps
from bayesglmm.fitted import Fit
from bayesglmm.specify.design import Columns, Design
from bayesglmm.specify.design.reach import reach
from bayesglmm.specify.formula import parse
from bayesglmm.specify.model import glmm

N = 96
RNG = np.random.default_rng(5)
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=N),
        "count": RNG.poisson(3, N),
        "event": RNG.integers(0, 2, N),
        "size": 6,
        "year": 2000 + np.repeat(np.arange(12), 8),
        "g": np.tile(list("abcdefgh"), 12),
        "x": np.exp(RNG.normal(0, 2.5, N)),
        "z": RNG.normal(size=N),
        "share": np.where(np.arange(N) % 10, 0.9 + 0.1 * RNG.random(N), 0.0),
        "contrast": np.tile(["p", "q"], N // 2),
        "variable": np.tile(["r", "s", "t"], N // 3),
    }
)


def fit(formula: str, family: str = "gaussian") -> Fit:
    return hand_made(glmm(formula, DATA, family), draws=30, chains=2)


def flat(one: Fit, name: str) -> Any:
    values = one.posterior[name].values
    return values.reshape(values.shape[0] * values.shape[1], *values.shape[2:])


# -- a predictor that is the grouping factor too ---------------------------------------------------

YEAR = fit("y ~ year + (1 | year)")


@pytest.mark.parametrize("frame", ["typical", "population", "new_group"])
def test_a_curve_over_a_predictor_that_groups_too_is_one_of_the_predictor(frame: Any) -> None:
    found = YEAR.conditional_effects("year", frame=frame, seed=1)
    assert len(found.table) == 61
    line = flat(YEAR, "beta") @ np.array([np.ones(61), found.table["year"]])
    gone = found.flat - line  # the one new group's effect, the same at all points, or nothing
    assert_allclose(gone - gone[:, :1], 0, atol=1e-9)
    assert_allclose(gone[:, 0], 0, atol=1e-9 if frame != "new_group" else 10)


def test_in_the_frame_of_observed_groups_it_is_at_the_groups_observed() -> None:
    found = YEAR.conditional_effects("year", frame="group")
    assert found.table["year"].tolist() == list(range(2000, 2012))
    assert found.shown.shape == "points"
    line = flat(YEAR, "beta") @ np.array([np.ones(12), found.table["year"]])
    assert_allclose(found.flat, line + flat(YEAR, "b_year")[:, :, 0])
    found.plot()
    other = fit("y ~ year + z + (1 | year)")
    with pytest.raises(OptionError, match=r"an observed level of 'year', .* at=\{'year': 2000\}"):
        other.conditional_effects("z", frame="group")
    assert len(other.conditional_effects("z", frame="group", at={"year": 2003}).table) == 61


@pytest.mark.parametrize("frame", ["typical", "population", "group", "new_group"])
def test_the_slope_along_it_leaves_the_groups_where_they_are(frame: Any) -> None:
    assert_allclose(YEAR.slopes("year", frame=frame, seed=1).flat[:, 0], flat(YEAR, "beta")[:, 1], rtol=1e-6)


@pytest.mark.parametrize("frame", ["typical", "population", "new_group"])
def test_a_step_along_it_is_a_step_of_the_predictor(frame: Any) -> None:
    for step in (1, 0.5):
        found = YEAR.comparisons({"year": step}, frame=frame, seed=1)
        assert_allclose(found.flat[:, 0], step * flat(YEAR, "beta")[:, 1], rtol=1e-6)


def test_a_step_into_a_year_not_observed_gets_a_word() -> None:
    with pytest.raises(DataError, match=r"with year as it is and 1 more .* 2012 in rows .* were not observed"):
        YEAR.comparisons("year", frame="group")
    found = YEAR.comparisons({"year": [2001, 2005]}, frame="group")
    b = flat(YEAR, "b_year")[:, :, 0]
    assert_allclose(found.flat[:, 0], 4 * flat(YEAR, "beta")[:, 1] + b[:, 5] - b[:, 1])


def test_priors_are_looked_at_between_the_years() -> None:
    assert YEAR.model.implied_priors(draws=50).held[0].value == 2005.5


# -- steps that leave a basis or a logarithm -------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "derivative"),
    [
        ("log(x)", lambda x: 1 / x),
        ("log(2*x + 1e-9)", lambda x: 2 / (2 * x + 1e-9)),
        ("log1p(x)", lambda x: 1 / (1 + x)),
        ("sqrt(x)", lambda x: 0.5 / np.sqrt(x)),
        ("I(1/x)", lambda x: -1 / x**2),
        ("I(x^0.3)", lambda x: 0.3 * x**-0.7),
        ("I(x^2)", lambda x: 2 * x),
        ("log(log1p(x))", lambda x: 1 / (np.log1p(x) * (1 + x))),
    ],
)
def test_slopes_are_exact_however_near_a_logarithm_ends(term: str, derivative: Any) -> None:
    """Values from 1e-3 to 1e3: the step of a hundred-thousandth of their sd would leave the domain."""
    one = fit(f"y ~ {term} + (1 | g)")
    found = one.slopes("x", by="x").flat
    exact = flat(one, "beta")[:, 1:] * derivative(np.sort(DATA["x"].to_numpy()))
    assert_allclose(found, exact, rtol=1e-6)


def test_a_slope_where_a_root_ends_gets_a_word() -> None:
    one = fit("y ~ sqrt(share) + (1 | g)")
    with pytest.raises(DataError, match="the slope along 'share' is not finite in rows 0, 10"):
        one.slopes("share")
    assert np.isfinite(one.slopes("share", at={"share": 0.5}).flat).all()


@pytest.mark.parametrize("spline", ["bs(x, df=5)", "cr(x, df=4)"])
def test_slopes_stay_within_a_spline_and_its_knots(spline: str) -> None:
    """Knots are at quantiles, and the sd of this predictor is thousands of times the distance of the first two."""
    one = fit(f"y ~ {spline} + (1 | g)")
    x = np.sort(DATA["x"].to_numpy())
    width = 1e-6 * x
    low, high = np.maximum(x - width, x[0]), np.minimum(x + width, x[-1])
    ends = [one.model.design.on({"x": at}, outcome=False, factors=()).x for at in (low, high)]
    exact = flat(one, "beta") @ ((ends[1] - ends[0]) / (high - low)[:, None]).T
    found = one.slopes("x", by="x").flat
    assert_allclose(found, exact, rtol=1e-3, atol=1e-3 * np.abs(exact).max())
    assert_allclose(one.slopes("x").flat[:, 0], exact.mean(axis=1), rtol=1e-4)


@pytest.mark.parametrize("term", ["bs(share, df=4)", "sqrt(1 - share)", "log(1.01 - share)"])
def test_a_step_that_leaves_the_formula_gets_a_word(term: str) -> None:
    one = fit(f"y ~ {term} + (1 | g)")
    with pytest.raises(DataError, match=r"with share as it is and 1 more .*variables=\{'share': \[low, high\]\}"):
        one.comparisons("share")
    assert np.isfinite(one.comparisons({"share": [0.5, 0.9]}).flat).all()


@pytest.mark.parametrize("step", ["sd", "unit"])
@pytest.mark.parametrize("term", ["bs(share, df=4)", "sqrt(1 - share)", "log(1.01 - share)"])
def test_priors_are_looked_at_where_the_formula_has_a_value(term: str, step: str) -> None:
    design = Design.build(f"y ~ {term} + z + (1 | g)", DATA)
    chosen = steps(design, step)
    share, z = chosen.labels[1:]
    held, moved = chosen.rows["share"][:2]
    if step == "unit" and "bs" in term:  # a whole unit leaves the spline on either side
        assert share.endswith("(to its largest)")
        assert moved == DATA["share"].max()
    else:
        assert share.endswith(f"(1 {step} down)")
        assert_allclose(held - moved, DATA["share"].std() if step == "sd" else 1.0)
    assert z.startswith("z: + ")
    assert np.isfinite(design.on(chosen.rows, outcome=False, factors=()).x).all()


def test_how_far_a_predictor_can_move() -> None:
    columns = Columns.read({"x": [2.0, 3.0], "z": [1.0, 5.0]}, ["x", "z"])

    def far(text: str) -> Any:
        return reach(parse(f"y ~ {text}").trees[1:], "x", columns)

    assert_allclose(far("log(x) + z"), [2, 3])
    assert_allclose(far("sqrt(3*x - z)"), [5 / 3, 4 / 3])
    assert_allclose(far("I(z/(x - 1))"), [1, 2])
    assert_allclose(far("log1p(x)"), [3, 4])
    assert_allclose(far("I(x^-0.5)"), [2, 3])
    assert_allclose(far("I(x^3) + log(z) + exp(x)"), np.inf)


# -- models without population-level columns -------------------------------------------------------

NOTHING = {
    "gaussian": "y ~ 0 + (1 | g)",
    "poisson": "count ~ 0 + (1 | g)",
    "bernoulli": "event ~ 0 + (1 | g) + (1 | year)",
    "binomial": "p(event, size) ~ 0 + (0 + z | g)",
}


@pytest.mark.parametrize(("family", "formula"), NOTHING.items())
def test_a_model_without_coefficients_answers_everything(family: str, formula: str) -> None:
    one = fit(formula, family)
    centre = {"gaussian": 0.0, "poisson": 1.0}.get(family, 0.5)
    assert_allclose(one.epred(frame="typical"), centre)
    assert_allclose(one.predictions(by=[], frame="typical").flat, centre)
    block = one.model.design.blocks[0]
    eta = (flat(one, f"b_{block.name}")[:, block.index] * block.z).sum(axis=2)
    if family == "gaussian":
        assert_allclose(one.epred(frame="group").values.reshape(eta.shape), eta)
        assert_allclose(one.predictions(by=[], frame="group").flat[:, 0], eta.mean(axis=1))
    for frame in ("population", "group", "new_group"):
        assert np.isfinite(one.outcomes(frame=frame, seed=1)).all()
        assert np.isfinite(one.predictions(by="g", frame=frame, seed=1).flat).all()
    assert np.isfinite(one.model.implied_priors(draws=50).table["median"]).all()
    assert one.model.prior_predictive(draws=10, seed=1)["prior_predictive"]
    assert len(one.random_effects("g").table) == 8
    assert len(one.zero_sd().table) == len(one.model.design.blocks)
    if len(one.model.design.blocks) == 1:
        assert np.isfinite(one.group_log_likelihood()).all()
        new = DATA.iloc[:3].assign(g="new")
        assert np.isfinite(one.epred(new, new_outcomes=new, frame="group", seed=1)).all()
    with pytest.raises(OptionError, match="no population-level coefficients"):
        one.coefficients()


def test_predictors_of_blocks_alone_are_compared() -> None:
    one = fit("count ~ 0 + (1 + z | g)", "poisson")
    assert np.isfinite(one.comparisons("z").flat).all()
    assert np.isfinite(one.slopes("z").flat).all()
    assert len(one.conditional_effects("z").table) == 61


# -- columns called as a table calls its own -------------------------------------------------------


def test_no_label_is_overwritten() -> None:
    one = fit("y ~ z + contrast + variable + (1 | g)")
    for by in ("contrast", "variable"):
        with pytest.raises(OptionError, match=f"column '{by}' of its own"):
            one.comparisons("z", by=by)
        assert len(one.predictions(by=by).table) == DATA[by].nunique()
        assert len(one.comparisons(by).table) == DATA[by].nunique() - 1
    with pytest.raises(OptionError, match="column 'variable' of its own"):
        one.slopes("z", by="variable")


@pytest.mark.parametrize(
    "name", ["mean", "frame", "draw", "chain", "lower", "median", "upper", "sd", "probability_positive", "row", "n"]
)
def test_a_predictor_may_be_called_what_a_table_calls_its_own(name: str) -> None:
    data = DATA.rename(columns={"z": name})
    one = hand_made(glmm(f"y ~ {name} + (1 | g)", data), draws=30, chains=2)
    beta = flat(one, "beta")[:, 1]
    assert_allclose(one.comparisons(name).flat[:, 0], beta)
    assert one.comparisons(name).table["variable"].tolist() == [name]
    assert_allclose(one.slopes(name).flat[:, 0], beta)
    if name in ("row", "n"):
        one.conditional_effects(name).plot(raw=True)
    else:
        with pytest.raises(OptionError, match=f"column '{name}' of its own; rename"):
            one.conditional_effects(name)


def test_nested_terms_are_no_quotients() -> None:
    """`a/x` in a formula is a + a:x: a slope along x ends nowhere, at x = 0 either, and labels are no numbers."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"x": np.tile([-1.0, 0.0, 1.0], 20), "a": np.repeat(["u", "v"], 30), "y": rng.normal(size=60)})
    for formula in ("y ~ a/x", "y ~ x/(x + a)"):
        fit = hand_made(glmm(formula, data), draws=40)
        slope = float(fit.slopes("x", frame="typical").draws.mean())
        low, high = (fit.predictions(at={"x": at}, frame="typical", by="a").draws.mean() for at in (0.0, 1.0))
        assert slope == pytest.approx(float(high - low), abs=1e-8)
