"""A posterior given more outcomes is that of a fit with them: closed forms, brute force, and the fit itself."""

from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from handmade import SEIZURE, hand_made, seizure_like
from scipy import special, stats

import bayesglmm as bg
from bayesglmm.errors import BayesGLMMWarning, DataError, OptionError, ResponseError
from bayesglmm.estimands.new_groups import condition
from bayesglmm.fitted import Fit
from bayesglmm.posterior.draws import Draws

HELD_OUT = 49
"""The patient with the most seizures: the outcomes that move the posterior most."""


def one_draw(fit: Fit, **changed: Any) -> Fit:
    """The first draw in the place of all, so that the weights are equal and effects have one distribution."""
    posterior = fit.posterior.copy(deep=True)
    for name, values in posterior.data_vars.items():
        values.values[:] = changed.get(str(name), values.values[:1, :1])
    return Fit(fit.model, xr.DataTree.from_dict({"posterior": posterior}))


def updated(fit: Fit, observed: pd.DataFrame, seed: int = 1):
    return condition(fit.model, fit.posterior, observed, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def held_out(seizure_fit) -> tuple[Fit, pd.DataFrame]:
    data = bg.datasets.load("seizure")
    return seizure_fit.update(data=data[data["id"] != HELD_OUT], progress=False), data[data["id"] == HELD_OUT]


def test_a_patient_held_out_is_predicted_as_by_a_fit_with_the_patient(seizure_fit, held_out) -> None:
    """Means and tails within Monte Carlo error; without the patient's outcomes they are 50 such errors away."""
    without, rows = held_out
    found = without.linpred(rows, frame="group", new_outcomes=rows, seed=3)
    refitted = seizure_fit.linpred(rows, frame="group")
    blind = without.linpred(rows, frame="new_group", seed=3)
    conditioned = updated(without, rows)
    for row in (0, 1):
        after, again, before = (values.isel(row=row) for values in (found, refitted, blind))
        error = np.hypot(float(az.mcse(again, method="mean")), float(again.std()) / np.sqrt(conditioned.effective / 4))
        assert abs(float(after.mean() - again.mean())) < 4.5 * error
        assert abs(float(before.mean() - again.mean())) > 50 * error
        assert float(after.std() / again.std()) == pytest.approx(1, abs=0.08)
    assert conditioned.pareto_k < 0.7


def test_the_parameters_move_to_those_of_a_fit_with_the_patient(seizure_fit, held_out) -> None:
    without, rows = held_out
    conditioned = updated(without, rows)
    moved = 0
    for name, at in (
        ("beta", {"coef": "Intercept"}),
        ("sd_id", {"id_coef": "Intercept"}),
        ("sd_id", {"id_coef": "time"}),
    ):
        before, after, again = (
            posterior[name].sel(at) for posterior in (without.posterior, conditioned.posterior, seizure_fit.posterior)
        )
        error = float(again.std()) * np.sqrt(2 / (conditioned.effective / 4))
        assert abs(float(after.mean() - again.mean())) < 4.5 * error
        moved += abs(float(before.mean() - again.mean())) > 4.5 * error
    assert moved  # the test could tell weights from none


def test_a_binary_patient_held_out_is_predicted_as_by_a_fit_with_the_patient() -> None:
    """Sixty patients of the toenail trial, an sd of b near 4, one held out who was severe at all 7 visits."""
    data = bg.datasets.load("toenail")
    always = data["id"][data.groupby("id")["outcome"].transform("sum") == 7].iloc[0]
    data = data[data["id"].isin([always, *data["id"].unique()[:60]])]
    rows = data[data["id"] == always]
    formula = "outcome ~ month*treatment + (1 | id)"
    whole = bg.fit(formula, data, "bernoulli", seed=5, draws=2_000, progress=False)
    without = whole.update(data=data[data["id"] != always], progress=False)
    conditioned = updated(without, rows)
    eta = without.linpred(rows, frame="group", new_outcomes=rows, seed=3)
    expected = whole.linpred(rows, frame="group")
    blind = without.linpred(rows, frame="new_group", seed=3)
    for row in range(len(rows)):
        after, again, before = (values.isel(row=row) for values in (eta, expected, blind))
        error = np.hypot(float(az.mcse(again, method="mean")), float(again.std()) / np.sqrt(conditioned.effective / 4))
        assert abs(float(after.mean() - again.mean())) < 4.5 * error
        assert abs(float(before.mean() - again.mean())) > 15 * error
        assert float(after.std() / again.std()) == pytest.approx(1, abs=0.1)
    assert conditioned.pareto_k < 0.7


def test_equal_draws_leave_the_closed_form_of_gaussian_effects() -> None:
    data = seizure_like().assign(count=lambda table: np.log1p(table["count"]))
    model = bg.glmm("count ~ time + (1 + time | id)", data, "gaussian")
    fit = one_draw(hand_made(model, draws=3_000))
    new = data[data["id"] == 4].assign(id="new")
    conditioned = updated(fit, new)
    assert conditioned.levels == {"id": ("new",)}
    assert conditioned.effective == pytest.approx(12_000)
    b = conditioned.posterior["b_id"].sel(id="new").values.reshape(-1, 2)
    draws = Draws(fit.posterior, model.design)
    z, g, sigma = np.column_stack([np.ones(5), new["time"]]), draws.covariance(model.design.blocks[0])[0], 0.0
    sigma = draws.parameters(model.family)["sigma"][0, 0]
    v = np.linalg.inv(np.linalg.inv(g) + z.T @ z / sigma**2)
    mean = v @ z.T @ (new["count"] - z @ draws.beta[0]) / sigma**2
    assert (np.abs(b.mean(axis=0) - mean) < 4.5 * np.sqrt(np.diag(v) / len(b))).all()
    np.testing.assert_allclose(np.cov(b.T), v, atol=4.5 * np.sqrt(2 / len(b)) * np.diag(v).max())


def test_draws_are_kept_in_proportion_to_the_likelihood_of_the_new_outcomes() -> None:
    """Two values of θ, half the draws each: what is kept of the first is p₁/(p₁ + p₂), to one draw."""
    model = bg.glmm("count ~ 1 + (1 | id)", seizure_like(), "negative_binomial")
    fit = one_draw(hand_made(model, chains=2, draws=1_000))
    truth = {"beta": (1.5, 2.0), "sd_id": (0.4, 1.3), "phi": (1.0, 3.0)}
    for name, values in truth.items():
        for chain in (0, 1):
            fit.draws["posterior"][name].values[chain] = values[chain]
    new = pd.DataFrame({"id": ["a", "a", "b"], "count": [3, 9, 0]})
    u, weight = np.polynomial.hermite_e.hermegauss(101)
    p = []
    for beta, sd, phi in zip(*truth.values(), strict=True):
        mu = np.exp(beta + sd * u)
        pmf = stats.nbinom(phi, phi / (phi + mu)).pmf
        p.append((weight @ (pmf(3) * pmf(9))) * (weight @ pmf(0)))
    kept = (updated(fit, new).posterior["beta"] == truth["beta"][0]).mean()
    assert float(kept) == pytest.approx(p[0] / sum(p), abs=1 / 2_000)


def test_outcomes_that_say_nothing_leave_a_new_group() -> None:
    """No count in 10⁻¹² weeks: the weights are equal and b is N(0, G) still; Kolmogorov's bound at 0.1 %."""
    fit = hand_made(bg.glmm(SEIZURE, seizure_like(), "poisson"), draws=1_500)
    new = seizure_like().iloc[:1].assign(id=99, count=0, weeks=1e-12)
    found = fit.linpred(new, frame="group", new_outcomes=new, seed=2)
    blind = fit.linpred(new, frame="new_group", seed=3)
    assert stats.ks_2samp(found.values.ravel(), blind.values.ravel()).pvalue > 0.001
    np.testing.assert_allclose(updated(fit, new).posterior["beta"], fit.posterior["beta"])


def binary(seed: int = 8) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = 60
    return pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "id": np.arange(n) % 12,
            "item": np.array([f"item {i}" for i in range(5)])[rng.permutation(n) % 5],
            "site": np.arange(n) % 3,
            "yes": rng.integers(0, 2, n),
        }
    )


def test_effects_of_crossed_levels_that_were_fitted_stay_at_their_draws() -> None:
    data = binary()
    fit = one_draw(hand_made(bg.glmm("yes ~ x + (1 | id) + (1 | item)", data, "bernoulli"), draws=1_500), sd_id=2.0)
    new = data.iloc[:6].assign(id="new", yes=[1, 1, 1, 0, 1, 1])
    conditioned = updated(fit, new)
    assert conditioned.levels == {"id": ("new",)}
    draws = Draws(fit.posterior, fit.model.design)
    item = fit.model.design.blocks[1]
    eta = draws.beta[0] @ np.array([np.ones(6), new["x"]]) + draws.b(item)[0, item.index[:6], 0]
    b = np.linspace(-15, 15, 3_001)
    sign = 2 * new["yes"].to_numpy() - 1
    density = np.exp(special.log_expit(sign[:, None] * (eta[:, None] + b)).sum(axis=0) - np.square(b / 2) / 2)
    density /= density.sum()
    mean, sd = density @ b, np.sqrt(density @ np.square(b - density @ b))
    found = conditioned.posterior["b_id"].sel(id="new").values
    assert abs(found.mean() - mean) < 4.5 * sd / np.sqrt(found.size)
    assert found.std() == pytest.approx(sd, rel=0.06)
    np.testing.assert_array_equal(conditioned.posterior["b_item"], fit.posterior["b_item"])


def test_a_new_level_inside_a_fitted_one_and_one_inside_a_new_one_are_both_exact() -> None:
    """A new site with one subject has two effects of one sum: the total is N(0, σ₁² + σ₂²) given the outcomes."""
    data = binary()
    fit = one_draw(hand_made(bg.glmm("yes ~ 1 + (1 | site/id)", data, "bernoulli"), draws=1_000), sd_site=1.5)
    new = pd.DataFrame({"site": [1, 1, 8, 8], "id": [77, 77, 5, 5], "yes": [1, 1, 0, 0]})
    conditioned = updated(fit, new)
    assert conditioned.levels == {"site": (8,), "site:id": ("1:77", "8:5")}
    rows = pd.DataFrame({"site": [1, 8], "id": [77, 5]})
    found = fit.linpred(rows, frame="group", new_outcomes=new, seed=1)
    beta, sd = (float(fit.posterior[name].values.flat[0]) for name in ("beta", "sd_site:id"))
    at_site = float(fit.posterior["b_site"].isel(chain=0, draw=0, site=1).item())
    b = np.linspace(-15, 15, 3_001)
    for row, (eta, s, sign) in enumerate([(beta + at_site, sd, 1), (beta, np.hypot(1.5, sd), -1)]):
        density = np.exp(2 * special.log_expit(sign * (eta + b)) - np.square(b / s) / 2)
        mean = eta + density @ b / density.sum()
        values = found.isel(row=row).values
        assert abs(values.mean() - mean) < 4.5 * values.std() / np.sqrt(values.size)


def test_every_verb_and_fitted_groups_go_on_from_the_conditioned_posterior() -> None:
    data = seizure_like()
    fit = hand_made(bg.glmm(SEIZURE, data, "poisson"), draws=250)
    new = data[data["id"] == 3].assign(id=99, count=3)
    rows = pd.concat([new.drop(columns="count"), data[data["id"] == 2]])
    linear = fit.linpred(rows, frame="group", new_outcomes=new, seed=4)
    mean = fit.epred(rows, frame="group", new_outcomes=new, seed=4)
    outcome = fit.outcomes(rows, frame="group", new_outcomes=new, seed=4)
    np.testing.assert_allclose(mean, np.exp(linear), rtol=1e-12)
    np.testing.assert_array_equal(outcome, np.floor(outcome))
    conditioned = updated(fit, new, seed=4)
    again = Fit(conditioned.model, xr.DataTree.from_dict({"posterior": conditioned.posterior}))
    np.testing.assert_array_equal(again.linpred(rows, frame="group"), linear)
    assert linear.attrs["new_outcomes"].startswith("new levels of id: 99 (Pareto k ")
    assert "new_outcomes" not in fit.epred(data, frame="group").attrs


def test_one_seed_reproduces_in_any_order_of_rows_and_nothing_passed_in_changes() -> None:
    data = seizure_like()
    fit = hand_made(bg.glmm(SEIZURE, data, "poisson"), draws=500)
    before, new = fit.posterior.copy(deep=True), pd.concat([data[data["id"] == 3], data[data["id"] == 5]])
    new = new.assign(id=np.where(new["id"] == 3, "z", "a"), count=4)
    kept = new.copy()
    first = fit.epred(new, frame="group", new_outcomes=new, seed=6)
    xr.testing.assert_identical(first, fit.epred(new, frame="group", new_outcomes=new, seed=6))
    turned = fit.epred(new, frame="group", new_outcomes=new.iloc[::-1], seed=6)
    np.testing.assert_allclose(turned, first, rtol=1e-9)
    assert not np.array_equal(first, fit.epred(new, frame="group", new_outcomes=new, seed=7))
    xr.testing.assert_identical(fit.posterior, before)
    pd.testing.assert_frame_equal(new, kept)


def test_outcomes_far_from_every_draw_are_warned_of() -> None:
    data = seizure_like()
    fit = hand_made(bg.glmm(SEIZURE, data, "poisson"), draws=250)
    new = data[data["id"] == 3].assign(id=99, count=[9_000, 1, 8_000, 0, 7_000])
    with pytest.warns(
        BayesGLMMWarning, match=r"do not report these predictions; fit again with these rows added"
    ) as record:
        fit.epred(new, frame="group", new_outcomes=new, seed=1)
    assert record[0].filename == __file__


def refused(
    error: type[Exception], match: str, new_outcomes: pd.DataFrame, formula: str = SEIZURE, **options: Any
) -> None:
    family = "bernoulli" if formula.startswith("yes") else "poisson"
    fit = hand_made(bg.glmm(formula, binary() if family == "bernoulli" else seizure_like(), family), draws=50)
    with pytest.raises(error, match=match):
        fit.epred(**{"new_data": new_outcomes, "frame": "group", "new_outcomes": new_outcomes, **options})


def test_what_cannot_be_conditioned_on_is_refused_with_a_way_out() -> None:
    data = seizure_like()
    new = data.iloc[:2].assign(id=99, count=1)
    refused(
        DataError,
        r"groups that were fitted \(id 2, row 2.*fit\.update",
        pd.concat([new, data.iloc[5:6]], ignore_index=True),
    )
    refused(DataError, "has no column 'count'.*; add it", new.drop(columns="count"))
    refused(DataError, "has no column 'id'.*; add it", new.drop(columns="id"))
    refused(DataError, "no column 'weeks'", new.drop(columns="weeks"))
    refused(ResponseError, "counts are not negative", new.assign(count=-1))
    refused(OptionError, "pass the rows to predict for these groups as new_data", new, new_data=None)
    refused(OptionError, r"the frame of 'id' does not use; use frame=\{'id': 'group'\}", new, frame="population")
    refused(
        DataError, r"100 in row 0 .*were not observed .*pass outcomes of", new, new_data=new.iloc[:1].assign(id=100)
    )
    refused(DataError, "the data have no rows", new.iloc[:0], new_data=new)
    refused(OptionError, "the model has no random effects", new, "count ~ trt*time + offset(log(weeks))")
    crossed = pd.DataFrame({"x": 0.0, "yes": 1, "id": ["p", "p", "q"], "item": ["s", "t", "s"]})
    refused(
        DataError,
        r"new levels of 'id' \(p\), each crossed with several levels of another factor of which some are new",
        crossed,
        "yes ~ x + (1 | id) + (1 | item)",
    )
