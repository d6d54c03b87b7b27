"""Rows of whole weights in checks, leave-one-out and separation: as many rows as their weight says."""

import numpy as np
import pandas as pd
import pytest
from handmade import hand_made

import bayesglmm as bg
from bayesglmm import Discrepancy, Fit, PosteriorCheck
from bayesglmm.checking.posterior_check import CHECKS
from bayesglmm.comparison.left_out import log_predictive
from bayesglmm.errors import OptionError

SETTINGS = {"seed": 1, "progress": False}
OPTIONS = {"covariate": {"column": "x"}, "time": {"column": "time"}}


def table(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"x": rng.integers(0, 3, n) - 1.0, "g": np.arange(n) % 6, "time": np.arange(n) // 6 * 1.0})
    data["y"] = rng.negative_binomial(2, 2 / (2 + np.exp(0.4 + 0.3 * data["x"])))
    return data.assign(w=rng.integers(0, 4, n), s=np.minimum(data["y"], 7), size=7)


def repeated(data: pd.DataFrame) -> pd.DataFrame:
    return data.loc[data.index.repeat(data["w"])].reset_index(drop=True)


@pytest.fixture(scope="module")
def fits() -> dict[str, Fit]:
    """A fit of weighted rows, and the same draws with each row repeated; the same for successes among trials."""
    found = {}
    for name, left, family in (("counts", "y", "poisson"), ("trials", "p(s, size)", "binomial")):
        weighted = bg.glmm(f"{left} | weights(w) ~ x + (1 | g)", table(), family)
        fit = weighted.fit(draws=400, **SETTINGS)
        found[name] = fit
        found[f"{name}, repeated"] = Fit(bg.glmm(f"{left} ~ x + (1 | g)", repeated(table()), family), fit.draws)
    return found


@pytest.mark.parametrize("name", ["counts", "trials"])
def test_dispersion_and_zeros_are_those_of_repeated_rows(fits: dict[str, Fit], name: str) -> None:
    for check in (Fit.dispersion, Fit.zeros):
        one, other = (check(fits[which], seed=2) for which in (name, f"{name}, repeated"))
        assert isinstance(one, Discrepancy)
        assert (one.value, one.expected, one.p_value) == pytest.approx((other.value, other.expected, other.p_value))
        pd.testing.assert_frame_equal(one.table, other.table)
        assert one.reading == other.reading
        assert "each row as many outcomes as its weight says" in one.estimand


@pytest.mark.parametrize("kind", sorted(set(CHECKS) - {"zeros"}))
@pytest.mark.parametrize("frame", ["group", "population"])
def test_posterior_checks_are_those_of_repeated_rows(fits: dict[str, Fit], kind: str, frame: str) -> None:
    options = {"frame": frame, "seed": 2, "max_draws": 60, **OPTIONS.get(kind, {})}
    one, other = (fits[which].posterior_check(kind, **options) for which in ("counts", "counts, repeated"))
    assert isinstance(one, PosteriorCheck)
    pd.testing.assert_frame_equal(one.table, other.table)
    assert one.p_value == other.p_value


def test_residuals_are_of_each_row_once(fits: dict[str, Fit]) -> None:
    data = table()
    kept = np.flatnonzero(data["w"])
    first = np.cumsum(data["w"].to_numpy())[kept] - data["w"].to_numpy()[kept]
    for kind in ("pearson", "deviance", "response"):
        one, other = (fits[which].residuals(kind) for which in ("counts", "counts, repeated"))
        assert one.table.index.tolist() == kept.tolist()
        np.testing.assert_allclose(
            one.table["residual"], other.table["residual"].to_numpy()[first], rtol=1e-9, atol=1e-9
        )
    left_out, others = (fits[which].residuals(loo=True, seed=1) for which in ("counts", "counts, repeated"))
    np.testing.assert_allclose(left_out.table["pareto_k"], others.table["pareto_k"].to_numpy()[first], atol=1e-8)


@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto:UserWarning")
@pytest.mark.parametrize("unit", ["row", "g"])
def test_predictive_densities_and_their_errors_are_those_of_repeated_rows(fits: dict[str, Fit], unit: str) -> None:
    one, other = (fits[which].loo(unit, exact=False) for which in ("counts", "counts, repeated"))
    assert (one.elpd, one.se, one.p_loo) == pytest.approx((other.elpd, other.se, other.p_loo), rel=1e-9)
    assert one.table["units"].item() == other.table["units"].item() == (table()["w"].sum() if unit == "row" else 6)
    if unit == "row":
        assert len(one.pointwise) == np.count_nonzero(table()["w"])
        assert "each outcome left out, a row standing for as many as its weight" in one.estimand


@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto:UserWarning")
def test_comparisons_are_those_of_repeated_rows(fits: dict[str, Fit]) -> None:
    tables = []
    for which in ("counts", "counts, repeated"):
        fit = fits[which]
        draws = hand_made(bg.glmm("y ~ x + (1 | g)", repeated(table()), "poisson"), chains=4, draws=400).draws
        other = Fit(fit.model, draws)
        tables.append(bg.compare({"a": fit.loo(exact=False), "b": other.loo(exact=False)}).table)
    pd.testing.assert_frame_equal(*tables, rtol=1e-7)
    with pytest.raises(OptionError, match="of other rows"):
        bg.compare({"a": fits["counts"].loo(exact=False), "b": fits["counts, repeated"].loo(exact=False)})


def test_of_a_row_of_weight_three_one_outcome_is_left_out(fits: dict[str, Fit]) -> None:
    data = table()
    row = int(np.flatnonzero(data["w"] == 3)[0])
    copy = int(data["w"][:row].sum())
    one, other = fits["counts"], fits["counts, repeated"]
    weighted = log_predictive(one, one._refit, np.arange(60) == row, None, singly=True)
    long = log_predictive(other, other._refit, np.arange(len(repeated(data))) == copy, None)
    assert weighted == pytest.approx(long, abs=0.03)


def test_folds_leave_out_rows_with_all_their_outcomes() -> None:
    data = table(24)
    fit = bg.fit("y | weights(w) ~ x", data, "poisson", **SETTINGS)
    folds = fit.kfold(3)
    assert folds.pointwise["row"].values.tolist() == np.flatnonzero(data["w"]).tolist()
    assert folds.table["units"].item() == data["w"].sum()
    assert folds.elpd == pytest.approx(fit.loo().elpd, abs=4)
    with pytest.raises(OptionError, match=f"from 2 to {np.count_nonzero(data['w'])}"):
        fit.kfold(24)


def test_other_weights_are_part_of_what_is_left_out_and_refused_in_checks() -> None:
    data = table().assign(w=lambda d: d["w"] / 2)
    fit = hand_made(bg.glmm("y | weights(w) ~ x + (1 | g)", data, "poisson"), chains=2, draws=200)
    elpd = fit.loo(exact=False)
    assert elpd.counts is None
    assert elpd.table["units"].item() == np.count_nonzero(data["w"])
    assert "each row left out, times its weight" in elpd.estimand
    for check in (fit.dispersion, fit.zeros, fit.residuals, lambda: fit.posterior_check("pit")):
        with pytest.raises(OptionError, match=r"fit the rows without weights, y ~ …, to check the model"):
            check()


def test_rows_of_weight_0_do_not_make_data_overlap() -> None:
    """One row of weight 0 alone has a 1 at low x, and one alone is the 0 of its group."""
    data = pd.DataFrame({"x": np.arange(12.0), "g": np.repeat(list("abc"), 4)})
    data["y"] = (data["x"] > 5).astype(int)
    data["w"] = 1
    data.loc[[1, 11], "y"] = [1, 0]
    assert not bg.check_separation("y ~ x", data).separated
    data.loc[[1, 11], "w"] = 0
    found = bg.check_separation("y | weights(w) ~ x + (1 | g)", data)
    alone = bg.check_separation("y ~ x + (1 | g)", data[data["w"] > 0])
    pd.testing.assert_frame_equal(found.table, alone.table)
    pd.testing.assert_frame_equal(found.groups, alone.groups)
    assert found.separated
    none = bg.check_separation("y | weights(w) ~ x + (1 | g)", data.assign(w=data["g"] != "a"))
    assert none.groups.empty
