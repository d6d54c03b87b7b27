"""Draws for rows in every frame are the sums and averages that their names say, draw by draw."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import special

import bayesglmm as bg
from bayesglmm.errors import DataError, OptionError
from bayesglmm.estimands import frames
from bayesglmm.estimands.posterior_draws import epred, linpred, outcomes
from bayesglmm.marginalize.mean import mean_over_b
from bayesglmm.posterior import draws as arrays
from bayesglmm.posterior.draws import Draws
from bayesglmm.specify.families.links import get_link
from bayesglmm.specify.model import Model, glmm
from bayesglmm.specify.variables import pair_names

CHAINS, DRAWS = 2, 40
VERBS = (linpred, epred, outcomes)
FRAMES = frames.FRAMES


def rows(n: int = 60, seed: int = 3) -> pd.DataFrame:
    """Make a table with crossed, nested and numbered groups; any family finds its outcome in it."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"x": rng.normal(size=n), "w": rng.normal(size=n), "trt": np.tile(["a", "b"], n // 2)})
    data["id"] = np.arange(n) % 12
    data["site"] = np.array(["north", "south", "west"])[np.arange(n) % 3]
    data["item"] = [f"item {i}" for i in rng.permutation(np.arange(n) % 5)]
    data["weeks"] = rng.uniform(1, 4, n)
    data["count"], data["yes"] = rng.poisson(2, n), rng.integers(0, 2, n)
    data["n"] = rng.integers(3, 9, n)
    data["hits"], data["level"] = rng.binomial(data["n"], 0.4), rng.normal(size=n)
    return data


def posterior_of(model: Model, seed: int = 7, draws: int = DRAWS, sd: float = 0.6) -> xr.Dataset:
    """Draw the variables of a posterior by hand; b does not depend on the sds."""
    rng = np.random.default_rng(seed)
    lead, lead_dims = (CHAINS, draws), ("chain", "draw")
    variables = {"beta": ((*lead_dims, "coef"), rng.normal(0, 0.4, (*lead, len(model.design.coef))))}
    coords: dict[str, object] = {"coef": list(model.design.coef)}
    for block in model.design.blocks:
        name, k = block.name, block.size
        coords |= {name: list(block.levels), f"{name}_coef": list(block.columns)}
        b = rng.normal(0, 0.5, (*lead, len(block.levels), k))
        variables[f"b_{name}"] = ((*lead_dims, name, f"{name}_coef"), b)
        variables[f"sd_{name}"] = ((*lead_dims, f"{name}_coef"), sd * rng.uniform(0.5, 1.5, (*lead, k)))
        if block.correlated:
            factor = rng.normal(size=(*lead, k, k)) + 2 * np.eye(k)
            full = factor @ np.swapaxes(factor, -1, -2)
            scale = np.sqrt(np.einsum("...ii->...i", full))
            lower = np.tril_indices(k, -1)
            coords[f"{name}_pair"] = list(pair_names(block))
            corr = (full / scale[..., :, None] / scale[..., None, :])[..., lower[0], lower[1]]
            variables[f"corr_{name}"] = ((*lead_dims, f"{name}_pair"), corr)
    for parameter in model.family.parameters:
        variables[parameter.name] = (lead_dims, rng.uniform(1.0, 3.0, lead))
    return xr.Dataset(variables, coords={**coords, "chain": range(CHAINS), "draw": range(draws)})


def covariance_by_hand(model: Model, posterior: xr.Dataset, position: int, chain: int, draw: int) -> np.ndarray:
    """Fill G entry by entry from sds and named correlations."""
    block = model.design.blocks[position]
    at = posterior.sel(chain=chain, draw=draw)
    g = np.zeros((block.size, block.size))
    for i, one in enumerate(block.columns):
        for j, other in enumerate(block.columns):
            rho = 1.0 if i == j else 0.0
            if i != j and block.correlated:
                first, second = block.columns[min(i, j)], block.columns[max(i, j)]
                rho = float(at[f"corr_{block.name}"].sel({f"{block.name}_pair": f"{first},{second}"}))
            sd = at[f"sd_{block.name}"]
            g[i, j] = rho * float(sd.sel({f"{block.name}_coef": one})) * float(sd.sel({f"{block.name}_coef": other}))
    return g


def variance_by_hand(model: Model, posterior: xr.Dataset, names: list[str]) -> np.ndarray:
    """Sum zᵀGz over the named blocks, row by row, shape (chain, draw, row)."""
    total = np.zeros((CHAINS, posterior.sizes["draw"], model.design.n))
    for position, block in enumerate(model.design.blocks):
        if block.name in names:
            for chain, draw in np.ndindex(*total.shape[:2]):
                g = covariance_by_hand(model, posterior, position, chain, draw)
                total[chain, draw] += [z @ g @ z for z in block.z]
    return total


def typical_by_hand(model: Model, posterior: xr.Dataset) -> np.ndarray:
    return posterior["beta"].values @ model.design.x.T + model.design.offset


COUNTS = "count ~ x + trt + offset(log(weeks)) + (1 + x + w | id) + (1 | site)"


@pytest.fixture(scope="module")
def counts() -> tuple[Model, xr.Dataset]:
    model = glmm(COUNTS, rows(), "poisson")
    return model, posterior_of(model)


@pytest.fixture(scope="module")
def binary() -> tuple[Model, xr.Dataset]:
    model = glmm("yes ~ x + (1 + x | id)", rows(), "bernoulli")
    return model, posterior_of(model, sd=1.5)


def test_group_frame_on_the_training_rows_is_the_linear_predictor_by_hand(counts) -> None:
    model, posterior = counts
    eta = typical_by_hand(model, posterior)
    for block in model.design.blocks:
        b = posterior[f"b_{block.name}"].values
        for row in range(model.design.n):
            eta[..., row] += b[:, :, block.index[row]] @ block.z[row]
    found = linpred(model, posterior, frame="group")
    assert found.dims == ("chain", "draw", "row")
    np.testing.assert_allclose(found, eta, rtol=1e-12)
    np.testing.assert_allclose(epred(model, posterior, frame="group"), np.exp(eta), rtol=1e-12)
    np.testing.assert_allclose(epred(model, posterior, rows(), frame="group"), np.exp(eta), rtol=1e-12)


def test_typical_frame_is_the_inverse_link_of_the_fixed_part(counts) -> None:
    model, posterior = counts
    np.testing.assert_allclose(
        epred(model, posterior, frame="typical"), np.exp(typical_by_hand(model, posterior)), rtol=1e-12
    )


def test_population_frame_adds_half_the_variance_of_every_block_under_the_log_link(counts) -> None:
    model, posterior = counts
    v = variance_by_hand(model, posterior, ["id", "site"])
    expected = np.exp(typical_by_hand(model, posterior) + v / 2)
    np.testing.assert_allclose(epred(model, posterior), expected, rtol=1e-12)


def test_linear_predictor_of_the_population_is_the_typical_one_and_says_so(counts) -> None:
    model, posterior = counts
    population = linpred(model, posterior)
    np.testing.assert_array_equal(population, linpred(model, posterior, frame="typical"))
    assert "the average of the linear predictor over b is its value at b = 0" in population.attrs["estimand"]


@pytest.mark.parametrize(
    "formula",
    [
        "yes ~ x + (1 | site) + (1 | item)",
        "yes ~ x + (1 + x | site/id)",
        "yes ~ x + (1 | id) + (0 + x | id) + (1 + x || item)",
        "yes ~ x + (0 + trt + w | id)",
    ],
)
def test_crossed_nested_and_repeated_blocks_add_their_variances(formula: str) -> None:
    model = glmm(formula, rows(), "bernoulli")
    posterior = posterior_of(model, draws=5)
    v = variance_by_hand(model, posterior, [block.name for block in model.design.blocks])
    expected = mean_over_b(get_link("logit"), typical_by_hand(model, posterior), v)
    np.testing.assert_allclose(epred(model, posterior), expected, rtol=1e-12)


def test_variance_of_three_correlated_effects_is_the_quadratic_form() -> None:
    sd, corr = np.array([[2.0, 0.5, 1.0]]), np.array([[0.3, -0.2, 0.6]])
    z = np.array([[1.0, 2.0, -1.0], [1.0, 0.0, 0.0]])
    g = arrays.covariance(sd, corr)
    np.testing.assert_allclose(g[0], [[4.0, 0.3, -0.4], [0.3, 0.25, 0.3], [-0.4, 0.3, 1.0]])
    np.testing.assert_allclose(arrays.variance_over_b(g, z), [[4 + 1 + 1 + 1.2 + 0.8 - 1.2, 4.0]])


def test_new_effects_have_the_covariance_they_are_drawn_with() -> None:
    """Monte Carlo: an entry of the covariance of 200,000 draws has a standard error below 0.015."""
    g = arrays.covariance(np.array([[2.0, 0.5, 1.0]]), np.array([[0.3, -0.2, 0.6]]))
    drawn = frames.new_effects(np.random.default_rng(1), g, 200_000)[0]
    np.testing.assert_allclose(np.cov(drawn.T), g[0], atol=0.06)
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.02)


@pytest.mark.parametrize("corr", [-1.0, 1.0])
def test_new_effects_under_a_singular_covariance_are_finite(corr: float) -> None:
    g = arrays.covariance(np.array([[1.0, 2.0]]), np.array([[corr]]))
    drawn = frames.new_effects(np.random.default_rng(1), g, 100)
    np.testing.assert_allclose(drawn[..., 1], 2 * corr * drawn[..., 0], atol=1e-7)


@pytest.mark.parametrize(
    ("formula", "family", "link"),
    [
        ("yes ~ x + (1 + x | id)", "bernoulli", "logit"),
        ("yes ~ x + (1 + x | id)", "bernoulli", "cloglog"),
        ("yes ~ x + (1 + x | id)", "bernoulli", "cauchit"),
        ("yes ~ x + (1 + x | id)", "bernoulli", "probit"),
        ("count ~ x + (1 + x | id)", "poisson", "log"),
        ("count ~ x + (1 + x | id)", "negative_binomial", "sqrt"),
    ],
)
def test_population_is_typical_when_nothing_varies(formula: str, family: str, link: str) -> None:
    model = glmm(formula, rows(), family, link=link)
    posterior = posterior_of(model, sd=0.0)
    typical = epred(model, posterior, frame="typical")
    np.testing.assert_array_equal(epred(model, posterior), typical)
    np.testing.assert_allclose(epred(model, posterior, frame="new_group", seed=1), typical, rtol=1e-12)


def test_population_is_typical_under_the_identity_link() -> None:
    model = glmm("level ~ x + (1 + x | id)", rows(), "gaussian")
    posterior = posterior_of(model, sd=5.0)
    np.testing.assert_allclose(epred(model, posterior), epred(model, posterior, frame="typical"), rtol=1e-13)


def test_all_frames_agree_without_random_effects() -> None:
    model = glmm("count ~ x", rows(), "poisson")
    posterior = posterior_of(model)
    for frame in FRAMES:
        found = epred(model, posterior, frame=frame)
        np.testing.assert_array_equal(found, epred(model, posterior))
        assert found.attrs["frame"] == frame
        assert found.attrs["estimand"] == "expected count; the model has no random effects"
    np.testing.assert_array_equal(epred(model, posterior, frame={}), epred(model, posterior))


def test_the_mean_of_three_subjects_is_not_the_mean_at_their_centre() -> None:
    """η = 1 and b in {−2, 0, 2}: the average of the means is 0.651, the mean at the average is 0.731."""
    model = glmm("yes ~ 1 + (1 | id)", rows(), "bernoulli")
    posterior = posterior_of(model).isel(chain=[0], draw=[0]).copy(deep=True)
    posterior["beta"][:] = 1.0
    posterior["b_id"][:] = np.tile([-2.0, 0.0, 2.0], 4)[:, None]
    averaged = float(epred(model, posterior, pd.DataFrame({"id": [0, 1, 2]}), frame="group").mean())
    centre = float(epred(model, posterior, pd.DataFrame({"id": [0]}), frame="typical").item())
    assert averaged == pytest.approx(0.651, abs=5e-4)
    assert centre == pytest.approx(0.731, abs=5e-4)


def test_means_of_many_new_groups_approach_the_population(binary) -> None:
    """Monte Carlo: each mean of 4,000 groups has a standard error below 0.5/√4000 = 0.008."""
    model, posterior = binary
    data = pd.DataFrame({"x": np.full(4_000, 0.7), "id": np.arange(1_000, 5_000)})
    drawn = epred(model, posterior, data, frame="new_group", seed=5).mean("row")
    exact = epred(model, posterior, data.iloc[:1]).isel(row=0)
    assert float(np.abs(drawn - exact).max()) < 4.5 * 0.008
    assert float(np.abs((drawn - exact).mean())) < 4.5 * 0.008 / np.sqrt(CHAINS * DRAWS)


def test_rows_of_a_new_group_share_its_effects_and_groups_differ(binary) -> None:
    model, posterior = binary
    data = pd.DataFrame({"x": [0.0] * 4, "id": ["s", "t", "s", "t"]})
    eta = linpred(model, posterior, data, frame="new_group", seed=2).values
    np.testing.assert_array_equal(eta[..., [0, 1]], eta[..., [2, 3]])
    assert (eta[..., 0] != eta[..., 1]).all()


def test_without_the_grouping_column_all_rows_are_one_new_group(binary) -> None:
    model, posterior = binary
    eta = linpred(model, posterior, pd.DataFrame({"x": [0.0] * 3}), frame="new_group", seed=2).values
    np.testing.assert_array_equal(eta[..., [0, 0]], eta[..., [1, 2]])


def test_an_absent_nested_column_still_separates_the_outer_groups() -> None:
    model = glmm("yes ~ 1 + (1 | site/id)", rows(), "bernoulli")
    posterior = posterior_of(model)
    data = pd.DataFrame({"site": ["north", "north", "west"]})
    frame = {"site": "typical", "site:id": "new_group"}
    eta = linpred(model, posterior, data, frame=frame, seed=2).values
    np.testing.assert_array_equal(eta[..., 0], eta[..., 1])
    assert (eta[..., 0] != eta[..., 2]).all()


def test_new_groups_ignore_the_order_of_rows_and_repeat_across_designs(binary) -> None:
    """One seed gives one group the same effects on another design: contrasts are within groups."""
    model, posterior = binary
    data = pd.DataFrame({"x": np.linspace(-1, 1, 8), "id": list("hgfedcba")})
    eta = linpred(model, posterior, data, frame="new_group", seed=2)
    turned = linpred(model, posterior, data.iloc[::-1], frame="new_group", seed=2)
    np.testing.assert_allclose(turned.values[..., ::-1], eta.values, rtol=1e-12)
    twice = linpred(model, posterior, pd.concat([data, data]), frame="new_group", seed=2)
    np.testing.assert_allclose(twice.values[..., 8:], eta.values, rtol=1e-12)


def test_the_order_of_rows_changes_nothing(counts) -> None:
    model, posterior = counts
    order = np.random.default_rng(0).permutation(60)
    for frame in ("typical", "population", "group"):
        straight = epred(model, posterior, rows(), frame=frame)
        mixed = epred(model, posterior, rows().iloc[order], frame=frame)
        np.testing.assert_allclose(mixed.values, straight.values[..., order], rtol=1e-12)
        np.testing.assert_array_equal(straight["row"], np.arange(60))


def test_chunks_of_rows_change_nothing(counts, monkeypatch: pytest.MonkeyPatch) -> None:
    model, posterior = counts
    whole = {frame: epred(model, posterior, frame=frame, seed=4) for frame in FRAMES}
    monkeypatch.setattr(arrays, "CELLS", 7 * CHAINS * DRAWS)
    for frame, expected in whole.items():
        np.testing.assert_allclose(epred(model, posterior, frame=frame, seed=4), expected, rtol=1e-12)
    assert [part.stop - part.start for part in arrays.chunks(CHAINS * DRAWS, 17)] == [7, 7, 3]


def test_rows_are_positions_in_the_data_as_given() -> None:
    data = rows().astype({"x": float})
    data.loc[[0, 4], "x"] = np.nan
    model = glmm("count ~ x + (1 | id)", data, "poisson", missing="drop")
    found = epred(model, posterior_of(model))
    np.testing.assert_array_equal(found["row"], np.delete(np.arange(60), [0, 4]))


def test_a_mapping_mixes_frames_by_factor(counts) -> None:
    model, posterior = counts
    site = model.design.blocks[1]
    at_site = arrays.random_part(Draws(posterior, model.design).b(site), site.z, site.index)
    eta = typical_by_hand(model, posterior) + at_site.reshape(CHAINS, DRAWS, -1)
    v = variance_by_hand(model, posterior, ["id"])
    found = epred(model, posterior, frame={"site": "group", "id": "population"})
    np.testing.assert_allclose(found, np.exp(eta + v / 2), rtol=1e-12)
    assert found.attrs["frame"] == "site: group; id: population"
    for part in ("averaged over the random effects of id", "each row in its own observed site"):
        assert part in found.attrs["estimand"]


@pytest.mark.parametrize("frame", FRAMES)
def test_a_mapping_with_one_frame_for_all_is_that_frame(counts, frame: str) -> None:
    model, posterior = counts
    mapped = epred(model, posterior, frame={"id": frame, "site": frame}, seed=1)
    np.testing.assert_array_equal(mapped, epred(model, posterior, frame=frame, seed=1))


def test_a_factor_names_all_its_blocks_and_a_block_itself() -> None:
    model = glmm("yes ~ x + (1 | id) + (0 + x | id)", rows(), "bernoulli")
    both = frames.frames_by_block(model.design, {"id": "population"})
    assert both == {"id": "population", "id_2": "population"}
    split = {"id": "population", "id_2": "typical"}
    assert frames.frames_by_block(model.design, split) == split
    posterior = posterior_of(model)
    v = variance_by_hand(model, posterior, ["id"])
    found = epred(model, posterior, frame=split)
    np.testing.assert_allclose(found, mean_over_b(get_link("logit"), typical_by_hand(model, posterior), v), rtol=1e-12)
    assert (
        "averaged over the random effects of id, exactly in each draw, random effects of id_2 at 0"
        in found.attrs["estimand"]
    )


def test_wrong_frames_are_named_with_what_is_allowed(counts) -> None:
    model, posterior = counts
    with pytest.raises(OptionError, match="frame='marginal' is not an option; known: typical, population"):
        epred(model, posterior, frame="marginal")
    with pytest.raises(OptionError, match=r"frame\['id'\]='new' is not an option; .*new_group"):
        epred(model, posterior, frame={"id": "new", "site": "group"})
    with pytest.raises(OptionError, match="frame has 'sit', which is not a grouping factor; did you mean 'site'"):
        epred(model, posterior, frame={"sit": "group"})
    with pytest.raises(OptionError, match="no entry for 'id', 'site'; give each one of typical, population"):
        epred(model, posterior, frame={})


def test_an_unknown_group_is_named_with_the_two_ways_out(counts) -> None:
    model, posterior = counts
    data = rows(6)
    data["id"] = [0, 1, 77, 3, 88, 77]
    with pytest.raises(DataError, match=r"77, 88 in rows 2, 4, 5 .*'population'.*'new_group'") as error:
        epred(model, posterior, data, frame="group")
    assert "needs the observed levels of 'id'" in str(error.value)
    with pytest.raises(DataError, match=r"the data have no column 'site'.*frame=\{'site': 'population'\}"):
        epred(model, posterior, rows(6).drop(columns="site"), frame="group")
    for frame in ("population", "new_group", "typical"):
        assert np.isfinite(epred(model, posterior, data, frame=frame, seed=1)).all()


def test_offsets_and_predictors_are_part_of_the_data(counts) -> None:
    model, posterior = counts
    with pytest.raises(DataError, match="no column 'weeks'"):
        epred(model, posterior, rows().drop(columns="weeks"))
    longer = rows().assign(weeks=2 * rows()["weeks"])
    np.testing.assert_allclose(epred(model, posterior, longer), 2 * epred(model, posterior), rtol=1e-12)


def test_one_seed_reproduces_and_another_does_not(counts) -> None:
    model, posterior = counts
    for verb, frame in ((epred, "new_group"), (outcomes, "population"), (outcomes, "new_group")):
        first = verb(model, posterior, seed=11, frame=frame)
        xr.testing.assert_identical(first, verb(model, posterior, seed=11, frame=frame))
        again = verb(model, posterior, seed=np.random.default_rng(11), frame=frame)
        xr.testing.assert_identical(first, again)
        assert not np.array_equal(first, verb(model, posterior, seed=12, frame=frame))


OUTCOMES = [
    ("level ~ x + (1 | id)", "gaussian"),
    ("level ~ x + (1 | id)", "student"),
    ("yes ~ x + (1 | id)", "bernoulli"),
    ("p(hits, n) ~ x + (1 | id)", "binomial"),
    ("count ~ x + (1 | id)", "poisson"),
    ("count ~ x + (1 | id)", "negative_binomial"),
    ("count ~ x + (1 | id)", "negative_binomial1"),
    ("weeks ~ x + (1 | id)", "gamma"),
]


@pytest.mark.parametrize(("formula", "family"), OUTCOMES)
@pytest.mark.parametrize("frame", ["typical", "group", "population"])
def test_outcomes_average_to_the_mean(formula: str, family: str, frame: str) -> None:
    """Monte Carlo: means of 2 × 1,500 × 60 outcomes, their standard error estimated from themselves."""
    model = glmm(formula, rows(), family)
    posterior = posterior_of(model, draws=1_500, sd=0.4)
    if family == "student":
        posterior["nu"] = posterior["nu"] + 4
    outcome = outcomes(model, posterior, frame=frame, seed=1)
    trials = rows()["n"].to_numpy() if family == "binomial" else 1
    difference = (outcome - trials * epred(model, posterior, frame=frame)).values
    error = difference.std() / np.sqrt(difference.size)
    assert abs(difference.mean()) < 4.5 * error
    if model.family.outcome_type != "continuous":
        np.testing.assert_array_equal(outcome, np.floor(outcome))


def test_outcomes_of_the_population_come_from_different_members(binary) -> None:
    """Rows have b of their own: two rows with the same x are independent given a draw."""
    model, posterior = binary
    posterior = posterior.assign(beta=0 * posterior["beta"], sd_id=0 * posterior["sd_id"] + 20.0)
    same = pd.DataFrame({"x": np.zeros(400), "id": np.zeros(400, dtype=int)})
    alone = outcomes(model, posterior, same, seed=1).mean("row")
    shared = outcomes(model, posterior, same, frame="new_group", seed=1).mean("row")
    assert float(np.abs(alone - 0.5).max()) < 0.15
    assert float(np.abs(shared - 0.5).mean()) > 0.4


def test_binomial_means_are_probabilities_and_outcomes_need_trials() -> None:
    for formula in ("p(hits, n) ~ x + (1 | id)", "cbind(hits, weeks) ~ x + (1 | id)"):
        data = rows().assign(weeks=1)
        model = glmm(formula, data, "binomial")
        posterior = posterior_of(model)
        mean = epred(model, posterior, pd.DataFrame({"x": [0.0, 1.0]}))
        assert ((mean > 0) & (mean < 1)).all()
        assert mean.attrs["estimand"].startswith("probability of a success in ")
        with pytest.raises(DataError, match=r"no column ('n'|'hits', 'weeks')"):
            outcomes(model, posterior, pd.DataFrame({"x": [0.0]}))
    model = glmm("p(hits, n) ~ x + (1 | id)", rows(), "binomial")
    posterior = posterior_of(model)
    successes = outcomes(model, posterior, pd.DataFrame({"x": [0.0, 0.0], "n": [0, 3]}), seed=1)
    assert (successes.isel(row=0) == 0).all()
    assert int(successes.isel(row=1).max()) == 3
    with pytest.raises(DataError, match=r"trials are whole numbers, not 2\.5, in row 0"):
        outcomes(model, posterior, pd.DataFrame({"x": [0.0], "n": [2.5]}))


def test_the_inverse_link_has_no_population_mean() -> None:
    model = glmm("weeks ~ x + (1 | id)", rows(), "gamma", link="inverse")
    posterior = posterior_of(model, sd=0.01)
    posterior["beta"] = 0.01 * posterior["beta"] + xr.DataArray([3.0, 0.0], dims="coef")
    with pytest.raises(OptionError, match="'typical', 'group' and 'new_group'"):
        epred(model, posterior)
    for frame in ("typical", "group", "new_group"):
        assert (epred(model, posterior, frame=frame, seed=1) > 0).all()
    with pytest.raises(DataError, match="of the means are negative here, which the inverse link does not prevent"):
        epred(model, posterior - 6, frame="typical")


def test_attributes_say_what_is_estimated_in_which_frame(binary) -> None:
    data = bg.datasets.load("seizure")
    model = glmm("count ~ trt*time + offset(log(weeks)) + (1 + time | id)", data, "poisson")
    found = epred(model, posterior_of(model))
    assert found.name == "epred"
    assert found.attrs == {
        "frame": "population",
        "scale": "response",
        "estimand": "expected count, at the offset log(weeks) of each row; frame population: averaged over the random "
        "effects of id, exactly in each draw",
        "family": "poisson",
        "link": "log",
    }
    model, posterior = binary
    typical = epred(model, posterior, frame="typical").attrs["estimand"]
    assert (
        typical == "probability of yes = 1; frame typical: random effects of id at 0 (the typical subject, conditional)"
    )
    for frame in FRAMES:
        for verb in VERBS:
            values = verb(model, posterior, frame=frame, seed=1)
            attrs = values.attrs
            assert (attrs["frame"], values.name) == (frame, verb.__name__)
            assert attrs["scale"] == ("link" if verb is linpred else "response")
            assert "marginal" not in attrs["estimand"]
            assert ("population" in attrs["estimand"]) == (frame == "population")


def test_the_event_of_a_text_outcome_is_named() -> None:
    data = rows().assign(yes=np.where(rows()["yes"] == 1, "ill", "healthy"))
    model = glmm("yes ~ x + (1 | id)", data, "bernoulli")
    assert epred(model, posterior_of(model)).attrs["estimand"].startswith("probability of yes = ill; frame population")


def test_a_posterior_of_another_model_is_refused(counts, binary) -> None:
    model, posterior = counts
    with pytest.raises(OptionError, match="'beta' of the posterior has another 'coef'"):
        epred(model, binary[1])
    with pytest.raises(OptionError, match="the posterior has no 'sd_site'; it has beta"):
        epred(model, posterior.drop_vars("sd_site"))
    with pytest.raises(OptionError, match="'b_id' of the posterior has another 'id'"):
        epred(model, posterior.isel(id=slice(1, None)), frame="group")
    with pytest.raises(OptionError, match="'beta' of the posterior has dims"):
        epred(model, posterior.isel(chain=0))
    assert np.isfinite(epred(model, posterior.drop_vars(["b_id", "b_site"]))).all()


def test_the_order_of_dims_in_the_posterior_does_not_matter(counts) -> None:
    model, posterior = counts
    turned = posterior.transpose("site", "id_coef", "draw", "id", "coef", ...)
    for frame in FRAMES:
        xr.testing.assert_identical(
            epred(model, turned, frame=frame, seed=1), epred(model, posterior, frame=frame, seed=1)
        )


def test_nothing_that_was_passed_in_is_changed(counts) -> None:
    model, posterior = counts
    before, data = posterior.copy(deep=True), rows()
    for frame in FRAMES:
        for verb in VERBS:
            verb(model, posterior, data, frame=frame, seed=1)
    xr.testing.assert_identical(posterior, before)
    pd.testing.assert_frame_equal(data, rows())


def test_intervals_of_the_population_mean_are_those_of_the_exact_formula(binary) -> None:
    """The spread over draws is that of E(Y | x) alone: no noise of groups or of Monte Carlo in it."""
    model, posterior = binary
    data = pd.DataFrame({"x": [0.5]})
    eta = posterior["beta"].values @ np.array([1.0, 0.5])
    z = np.array([1.0, 0.5])
    g = Draws(posterior, model.design).covariance(model.design.blocks[0])
    points, weight = np.polynomial.hermite_e.hermegauss(101)
    s = np.sqrt(np.einsum("i,sij,j->s", z, g, z)).reshape(CHAINS, DRAWS, 1)
    expected = special.expit(eta[..., None] + s * points) @ (weight / weight.sum())
    np.testing.assert_allclose(epred(model, posterior, data).values[..., 0], expected, atol=1e-6)


@pytest.mark.parametrize("outer", ["new_group", "population"])
def test_observed_levels_inside_levels_that_are_not_observed_are_refused(outer: str) -> None:
    model = glmm("yes ~ 1 + (1 | site/id)", rows(), "bernoulli")
    posterior = posterior_of(model, draws=3)
    with pytest.raises(OptionError, match=f"each lies in an observed level of 'site', which cannot be '{outer}'"):
        epred(model, posterior, frame={"site": outer, "site:id": "group"})
    for inner, outer_frame in (("new_group", "group"), ("population", "group"), ("group", "typical")):
        assert np.isfinite(epred(model, posterior, frame={"site": outer_frame, "site:id": inner}, seed=1)).all()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("frame", FRAMES)
def test_no_frame_or_verb_takes_an_absent_exposure_for_one(counts, frame: str, verb: Any) -> None:
    model, posterior = counts
    with pytest.raises(DataError, match="no column 'weeks'"):
        verb(model, posterior, rows().drop(columns="weeks"), frame=frame)
    longer = verb(model, posterior, rows().assign(weeks=1e6 * rows()["weeks"]), frame=frame, seed=1)
    shorter = verb(model, posterior, frame=frame, seed=1)
    if verb is linpred:
        np.testing.assert_allclose(longer, shorter + np.log(1e6), rtol=1e-12)
    else:
        assert float(longer.sum() / shorter.sum()) == pytest.approx(1e6, rel=1e-12 if verb is epred else 0.1)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize(
    ("formula", "column"), [("p(hits, n) ~ x + (1 | id)", "n"), ("cbind(hits, misses) ~ x + (1 | id)", "misses")]
)
def test_no_frame_takes_absent_trials_for_one(formula: str, column: str, frame: str) -> None:
    data = rows().assign(misses=lambda table: table["n"] - table["hits"])
    model = glmm(formula, data, "binomial")
    posterior = posterior_of(model, draws=10)
    with pytest.raises(DataError, match=f"no column '{column}'"):
        outcomes(model, posterior, data.drop(columns=column), frame=frame)
    outcome = outcomes(model, posterior, data, frame=frame, seed=1)
    assert (outcome <= xr.DataArray(data["n"].to_numpy(), dims="row")).all()
    assert float(outcome.max()) > 1


def test_the_sd_of_a_population_mean_is_that_of_a_long_monte_carlo_and_of_no_shortcut(seizure_fit) -> None:
    """Seizures in 2 weeks of follow-up on progabide, 800 draws: what each route makes of the same posterior.

    The exact sd is 1.58 and that over 100,000 b a draw, the same for all draws, 1.57. Each shortcut is the sd of
    something else, or has its Monte Carlo noise in it.
    """
    model, posterior = seizure_fit.model, seizure_fit.posterior.isel(draw=slice(None, None, 10))
    (block,) = model.design.blocks

    def sd(frame: str, groups: int = 1) -> float:
        data = pd.DataFrame({"trt": 1, "time": 1, "weeks": 2.0, "id": block.levels[:groups]})
        if groups > len(block.levels):
            data = pd.DataFrame({"trt": 1, "time": 1, "weeks": 2.0, "id": np.arange(groups)})
        return float(epred(model, posterior, data, frame=frame, seed=1).mean("row").std())

    exact = sd("population")
    draws = Draws(posterior, model.design)
    eta = draws.beta @ np.ones(4) + np.log(2.0)
    v = draws.covariance(block).sum(axis=(1, 2))
    z = np.random.default_rng(12).standard_normal(100_000)
    z = (z - z.mean()) / z.std()
    long = np.array([np.exp(centre + np.sqrt(var) * z).mean() for centre, var in zip(eta, v, strict=True)])
    assert long.std() == pytest.approx(exact, rel=0.01)
    shortcuts = {
        "b = 0": sd("typical") / exact,
        "average over the observed patients": sd("group", len(block.levels)) / exact,
        "100 b a draw": sd("new_group", 100) / exact,
        "one b a draw": sd("new_group") / exact,
    }
    measured = {"b = 0": 0.54, "average over the observed patients": 0.58, "100 b a draw": 1.15}
    assert shortcuts.pop("one b a draw") > 3  # 5 or 6: the sd of one patient, of heavy tails
    assert shortcuts == pytest.approx(measured, rel=0.15)
    assert all(abs(ratio - 1) > 0.1 for ratio in shortcuts.values())
