"""Posterior checks: each finds the fault that it is meant for, and lets the true model pass."""

import itertools
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from handmade import hand_made, seizure_fit, seizure_like

from bayesglmm import Fit, PosteriorCheck, glmm
from bayesglmm.checking import posterior_check
from bayesglmm.checking.posterior_check import CHECKS
from bayesglmm.errors import DataError, OptionError

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from planted_faults import fitted, missing_slope, nothing, overdispersion, two_kinds, wrong_link

OPTIONS = {"covariate": {"column": "x"}, "time": {"column": "time"}}
"""What kinds need beside their name."""


def test_the_table_of_kinds_lists_every_kind() -> None:
    described = re.findall(r'^ {4}"(\w+)" ', posterior_check.__doc__ or "", re.MULTILINE)
    assert sorted(described) == sorted(CHECKS)


@pytest.fixture(scope="module")
def true() -> Fit:
    return fitted(nothing(1))


@pytest.mark.parametrize("kind", sorted(set(CHECKS) - {"zeros"}))
@pytest.mark.parametrize("frame", ["group", "population"])
def test_a_true_model_passes_every_check(true: Fit, kind: str, frame: str) -> None:
    found = true.posterior_check(kind, frame=frame, seed=1, **OPTIONS.get(kind, {}))
    assert isinstance(found, PosteriorCheck)
    assert found.p_value > 0.05
    assert not found.table["outside"].any()
    assert "stays inside" in found.reading
    assert f"frame {frame}" in found.estimand
    assert ("redrawn from N(0, G)" if frame == "population" else "held at their posterior draws") in found.estimand
    assert r"\n" not in str(found)


def test_the_text_of_a_check_has_its_statistics_as_a_table_of_their_own() -> None:
    found = seizure_fit().posterior_check("group_statistic", seed=1, max_draws=50)
    assert isinstance(found, PosteriorCheck)
    assert found.statistics is not None
    _, curve, statistics, reading = str(found).split("\n\n")
    assert curve.split("\n")[0].split() == list(found.table.columns)
    assert statistics.split("\n")[0].split() == list(found.statistics.columns)
    assert [line[:17].rstrip() for line in statistics.split("\n")[2:]] == list(found.statistics.index)
    assert " ".join(reading.split()) == found.reading
    assert found._repr_html_().count("<table") == 2


def test_overdispersion_is_found_by_pit_and_variances() -> None:
    fit = fitted(overdispersion(1))
    found = fit.posterior_check("pit", seed=1)
    assert found.table["outside"].any()
    assert "outcomes vary more than the model says" in found.reading
    assert fit.posterior_check("mean_variance", seed=1).p_value < 0.01


def test_a_wrong_link_is_found_by_residuals_against_fitted_values_and_the_covariate() -> None:
    fit = fitted(wrong_link(1))
    assert fit.posterior_check("covariate", column="x", seed=1).p_value < 0.01
    found = fit.posterior_check("residuals", seed=1)
    assert found.p_value < 0.01
    assert "leaves the 95 % envelope" in found.reading


def test_a_missing_slope_is_found_over_time_and_not_when_it_is_there() -> None:
    fit = fitted(missing_slope(1))
    found = fit.posterior_check("time", column="time", seed=1)
    assert isinstance(found, PosteriorCheck)
    assert found.statistics is not None
    assert found.statistics.loc["sd of slopes between groups", "p_value"] < 0.01
    assert "a random slope of time" in found.reading
    again = fit.update("y ~ x + time + (1 + time | g)", progress=False).posterior_check("time", column="time", seed=1)
    assert isinstance(again, PosteriorCheck)
    assert again.statistics is not None
    assert again.statistics.loc["sd of slopes between groups", "p_value"] > 0.025


def test_two_kinds_of_groups_are_seen_where_effects_are_redrawn_and_not_where_they_are_held() -> None:
    fit = fitted(two_kinds(1))
    assert fit.posterior_check("group_statistic", seed=1).p_value < 0.05
    assert fit.posterior_check("group_statistic", frame="group", seed=1).p_value > 0.05


def test_a_column_that_was_no_part_of_the_formula_is_checked() -> None:
    data = nothing(1)
    fit = fitted(data, "y ~ time + (1 | g)")
    assert fit.posterior_check("covariate", column="x", seed=1).p_value < 0.01
    data["half"] = np.where(data["x"] > 0, "upper", "lower")
    found = fitted(data, "y ~ time + (1 | g)").posterior_check("covariate", column="half", seed=1)
    assert found.table.index.tolist() == ["lower", "upper"]
    assert found.p_value < 0.01


@pytest.mark.parametrize(
    ("formula", "family", "kind"),
    [
        ("age ~ trt", "gaussian", "density"),
        ("count ~ trt", "poisson", "rootogram"),
        ("event ~ trt", "bernoulli", "binned"),
    ],
)
def test_each_kind_of_outcome_has_its_own_check(formula: str, family: str, kind: str) -> None:
    found = hand_made(glmm(f"{formula} + (1 | id)", seizure_like(), family)).posterior_check(seed=1)
    assert found.kind == kind


def test_tables_hold_what_was_observed() -> None:
    fit = seizure_fit()
    y = fit.model.design.outcome.y
    counts = fit.posterior_check("rootogram", seed=1).table
    assert counts["observed"].sum() == len(y)
    assert counts.index[-1].endswith("or more")
    assert counts.loc["4–7", "observed"] == ((y >= 4) & (y < 8)).sum()
    assert fit.posterior_check("density", seed=1).table["observed"].sum() == pytest.approx(1)
    rows = y.reshape(-1, 5)
    statistics = {
        "mean": rows.mean(axis=1),
        "max": rows.max(axis=1),
        "min": rows.min(axis=1),
        "sd": rows.std(axis=1, ddof=1),
        "zeros": (rows == 0).mean(axis=1),
    }
    for statistic, values in statistics.items():
        found = fit.posterior_check("group_statistic", statistic=statistic, seed=1)
        shares = (values <= found.table.index.to_numpy()[:, None] + 1e-12).mean(axis=1)
        np.testing.assert_allclose(found.table["observed"], shares)
        assert found.statistics.loc["sd between groups", "observed"] == pytest.approx(values.std())


def test_a_model_without_groups_and_a_continuous_outcome_are_checked_too() -> None:
    fit = hand_made(glmm("age ~ trt + time", seizure_like(), "gaussian"))
    for kind in ("density", "pit", "residuals", "binned"):
        found = fit.posterior_check(kind, seed=1)
        assert "no random effects" in found.estimand
        assert found.plot().axes
    with pytest.raises(OptionError, match="rootogram is of counts"):
        fit.posterior_check("rootogram")
    with pytest.raises(OptionError, match="no random effects"):
        fit.posterior_check("group_statistic")


def test_options_that_a_kind_does_not_take_are_refused() -> None:
    fit = seizure_fit()
    refusals = [
        ({"kind": "histogram"}, "density, rootogram"),
        ({"kind": "time"}, "needs the name of a column"),
        ({"kind": "pit", "column": "time"}, 'kind="covariate"'),
        ({"kind": "pit", "factor": "id"}, "of the checks of groups"),
        ({"kind": "pit", "statistic": "max"}, "group_statistic"),
        ({"kind": "group_statistic", "statistic": "range"}, "mean, sd, max"),
        ({"kind": "group_statistic", "factor": "ids"}, "not a grouping factor"),
        ({"kind": "pit", "frame": "typical"}, "group, population"),
        ({"kind": "time", "column": "severity"}, "holds labels"),
    ]
    for options, said in refusals:
        with pytest.raises(OptionError, match=said):
            fit.posterior_check(**options)
    with pytest.raises(DataError, match="no column 'sex'"):
        fit.posterior_check("covariate", column="sex")


def test_a_mapping_redraws_one_factor_and_holds_another() -> None:
    fit = hand_made(glmm("count ~ trt + (1 | id) + (1 | time)", seizure_like(), "poisson"))
    found = fit.posterior_check("group_statistic", factor="id", frame={"id": "population", "time": "group"}, seed=1)
    assert "random effects of time held" in found.estimand
    assert "random effects of id redrawn" in found.estimand
    with pytest.raises(OptionError, match="2 grouping factors; give one of"):
        fit.posterior_check("group_statistic")


def test_pictures_show_the_envelope_the_data_and_the_reading(true: Fit) -> None:
    for kind, frame in itertools.product(sorted(set(CHECKS) - {"zeros"}), ("group",)):
        found = true.posterior_check(kind, frame=frame, seed=1, **OPTIONS.get(kind, {}))
        figure = found.plot()
        (axes,) = figure.axes
        gids = {artist.get_gid() for artist in axes.get_children()}
        assert {"envelope", "predicted", "observed"} <= gids
        assert found.reading in str(figure.get_label())
        assert axes.get_xlabel()
        assert axes.get_ylabel()
        figure.draw_without_rendering()
        assert "<table" in found._repr_html_()
        assert found.reading.split(" (p")[0] in " ".join(found.to_text().split())
