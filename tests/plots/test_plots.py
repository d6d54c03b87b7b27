"""Figures hold the quantiles they say, name their axes with scale and frame, and leave no state behind."""

import itertools
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from handmade import hand_made, seizure_fit, seizure_like
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from bayesglmm import Fit, glmm, plots
from bayesglmm.errors import OptionError
from bayesglmm.plots.rounding import decimals, rounded
from bayesglmm.plots.style import columns_text

LEVELS = (0.025, 0.25, 0.5, 0.75, 0.975)


@pytest.fixture(scope="module")
def fit() -> Fit:
    return seizure_fit()


@pytest.fixture(autouse=True)
def no_state_left() -> Iterator[None]:
    before = dict(mpl.rcParams)
    yield
    assert plt.get_fignums() == []
    assert {key: value for key, value in mpl.rcParams.items() if value != before[key]} == {}


def called(axes: Axes, gid: str) -> Any:
    """Return the one artist of that name."""
    (found,) = (artist for artist in axes.get_children() if artist.get_gid() == gid)
    return found


def ends(axes: Axes, gid: str) -> np.ndarray:
    """Return the ends of horizontal intervals, (k, 2)."""
    return np.array([segment[:, 0] for segment in called(axes, gid).get_segments()])


def flat(fit: Fit, name: str) -> np.ndarray:
    values = fit.posterior[name].values
    return values.reshape(-1, *values.shape[2:])


def overlapping(figure: Figure, axes: Axes) -> list[str]:
    """Return the tick labels of the vertical axis that touch the next one."""
    figure.draw_without_rendering()
    texts = sorted((t for t in axes.get_yticklabels() if t.get_text()), key=lambda t: t.get_position()[1])
    boxes = [text.get_window_extent() for text in texts]
    return [texts[j].get_text() for j, (a, b) in enumerate(itertools.pairwise(boxes)) if a.y1 > b.y0 + 0.5]


def every_text(figure: Figure) -> str:
    texts = [axes.get_xlabel() + axes.get_ylabel() + axes.get_title(loc="left") for axes in figure.axes]
    return " ".join(texts)


def test_coefficients_are_the_quantiles(fit: Fit) -> None:
    figure = fit.coefficients().plot()
    axes = figure.axes[0]
    expected = np.quantile(flat(fit, "beta")[:, 1:], LEVELS, axis=0)
    np.testing.assert_allclose(ends(axes, "interval"), expected[[0, 4]].T)
    np.testing.assert_allclose(ends(axes, "interval50"), expected[[1, 3]].T)
    np.testing.assert_allclose(called(axes, "median").get_xdata(), expected[2])
    assert [text.get_text() for text in axes.get_yticklabels()] == ["trt", "time", "trt × time"]


def test_coefficients_axis_names_frame_and_scale(fit: Fit) -> None:
    figure = fit.coefficients().plot()
    assert figure.axes[0].get_xlabel() == "coefficient: conditional (typical subject, b = 0), log scale"
    (above,) = figure.axes[0].child_axes
    assert above.get_xlabel() == "conditional rate ratio, exp(coefficient)"
    assert "conditional" in str(figure.get_label())
    ticks = {text.get_text(): tick for text, tick in zip(above.get_xticklabels(), above.get_xticks(), strict=True)}
    assert ticks["1"] == 0.0
    for text, tick in ticks.items():
        assert np.exp(tick) == pytest.approx(float(text))


def test_coefficients_with_the_intercept(fit: Fit) -> None:
    assert len(fit.coefficients().plot(intercept=True).axes[0].get_yticks()) == 4
    alone = hand_made(glmm("count ~ 1 + (1 | id)", seizure_like(), "poisson"))
    assert [t.get_text() for t in alone.coefficients().plot().axes[0].get_yticklabels()] == ["Intercept"]


def test_coefficients_without_groups_are_not_called_conditional() -> None:
    figure = hand_made(glmm("age ~ trt", seizure_like(), "gaussian")).coefficients().plot()
    assert figure.axes[0].get_xlabel() == "coefficient: scale of the outcome (identity link)"
    assert figure.axes[0].child_axes == []
    assert "b = 0" not in str(figure.get_label())


def test_long_names_of_factors_are_shortened_unless_ambiguous() -> None:
    names = ['C(treat, Treatment("Usual"))[T.Steroid]', 'C(treat, Treatment("Usual"))[T.Steroid]:weeks', "sex[T.2]"]
    assert columns_text(names) == ["treat[Steroid]", "treat[Steroid] × weeks", "sex[2]"]
    assert columns_text(["C(a)[T.1]", "a[T.1]"]) == ["C(a)[T.1]", "a[T.1]"]


@pytest.mark.parametrize("groups", [10, 60])
def test_forest_are_sorted_quantiles_with_readable_labels(groups: int) -> None:
    fit = seizure_fit(groups)
    figure = fit.random_effects().plot()
    assert len(figure.axes) == 2
    for j, axes in enumerate(figure.axes):
        expected = np.quantile(flat(fit, "b_id")[..., j], LEVELS, axis=0)
        order = np.argsort(expected[2])
        np.testing.assert_allclose(called(axes, "median").get_xdata(), expected[2][order])
        np.testing.assert_allclose(ends(axes, "interval"), expected[[0, 4]].T[order])
        np.testing.assert_allclose(ends(axes, "interval50"), expected[[1, 3]].T[order])
        assert [text.get_text() for text in axes.get_yticklabels()] == [str(level + 1) for level in order]
        assert overlapping(figure, axes) == []
        np.testing.assert_array_equal(called(axes, "zero").get_xdata(), [0, 0])
    assert figure.axes[0].get_xlabel() == "random effect b of Intercept\nlog scale"
    assert figure.axes[1].get_xlabel() == "random effect b of time\nlog scale"


def test_forest_of_many_groups_are_ranked_not_labelled() -> None:
    figure = seizure_fit(300, draws=50).random_effects().plot()
    (first, second) = figure.axes
    assert first.get_ylabel() == "300 levels of id, in order (1 = smallest)"
    assert len(ends(first, "interval")) == 300
    assert overlapping(figure, first) == []
    assert len(first.get_yticks()) < 15
    assert second.get_ylabel() == ""


def test_forest_want_a_factor_where_there_are_several() -> None:
    fit = hand_made(glmm("count ~ time + (1 | id) + (1 | age)", seizure_like(), "poisson"))
    with pytest.raises(OptionError, match=r"2 grouping factors; give one of"):
        fit.random_effects().plot()
    assert fit.random_effects("age").plot().axes[0].get_ylabel() == "level of age"
    with pytest.raises(OptionError, match="did you mean 'age'"):
        fit.random_effects("agee").plot()
    with pytest.raises(OptionError, match="no random effects"):
        hand_made(glmm("count ~ time", seizure_like(), "poisson")).random_effects().plot()


def test_forest_of_coefficients_has_its_line_at_the_typical_group(fit: Fit) -> None:
    figure = fit.random_effects("id", quantity="coefficients").plot(columns="time")
    (axes,) = figure.axes
    own = flat(fit, "b_id")[..., 1] + flat(fit, "beta")[:, [2]]
    expected = np.quantile(own, LEVELS, axis=0)
    np.testing.assert_allclose(called(axes, "median").get_xdata(), np.sort(expected[2]))
    np.testing.assert_allclose(called(axes, "zero").get_xdata(), np.median(flat(fit, "beta")[:, 2]))
    assert axes.get_xlabel() == "coefficient β + b of time\nlog scale"
    with pytest.raises(OptionError, match="did you mean 'time'"):
        fit.random_effects().plot(columns="tyme")
    with pytest.raises(OptionError, match="columns is empty"):
        fit.random_effects().plot(columns=())
    with pytest.raises(OptionError, match="style='forrest'"):
        fit.random_effects().plot("forrest")
    with pytest.raises(OptionError, match="quantity='means'"):
        fit.random_effects(quantity="means")


def test_forest_on_the_response_scale_names_ratios_and_has_its_line_at_the_typical_group(fit: Fit) -> None:
    (axes,) = fit.random_effects(quantity="coefficients", scale="response", ci_prob=0.8).plot(columns="time").axes
    own = np.exp(flat(fit, "b_id")[..., 1] + flat(fit, "beta")[:, [2]])
    lower, median, upper = np.quantile(own, (0.1, 0.5, 0.9), axis=0)
    order = np.argsort(median)
    np.testing.assert_allclose(ends(axes, "interval"), np.stack([lower, upper], axis=1)[order])
    np.testing.assert_allclose(called(axes, "zero").get_xdata(), np.exp(np.median(flat(fit, "beta")[:, 2])))
    assert axes.get_xlabel().startswith("time: group's own rate ratio")


@pytest.mark.parametrize("groups", [10, 60, 300])
def test_forest_of_means_holds_raw_and_shrunken_means_of_the_same_rows(groups: int) -> None:
    data = seizure_like(groups)
    data["size"] += data["time"]
    data["event"] = np.random.default_rng(3).binomial(data["size"], 0.3)
    fit = hand_made(glmm("p(event, size) ~ time + (1 | id)", data, "binomial"), draws=50)
    figure = fit.group_means().plot()
    (axes,) = figure.axes
    sums = data.groupby("id")[["event", "size"]].sum()
    weights = data["size"].to_numpy()
    means = {}
    for frame in ("group", "population"):
        rows = fit.epred(frame=frame).values.reshape(-1, len(data)) * weights
        means[frame] = np.median(rows.reshape(len(rows), groups, 5).sum(axis=2) / sums["size"].to_numpy(), axis=0)
    order = np.argsort(means["group"])
    np.testing.assert_allclose(called(axes, "median").get_xdata(), means["group"][order])
    np.testing.assert_allclose(called(axes, "population").get_xdata(), means["population"][order])
    np.testing.assert_allclose(called(axes, "raw").get_xdata(), (sums["event"] / sums["size"]).to_numpy()[order])
    assert overlapping(figure, axes) == []
    caption = str(figure.get_label())
    assert "frame: population" in caption
    marker = called(axes, "raw").get_marker()
    assert ("Crosses: raw means" if marker == "x" else "Dots in colour: raw means") in caption
    assert "own means: posterior median" in caption


def test_effect_pairs_hold_medians_and_the_ellipse_of_the_covariance(fit: Fit) -> None:
    (axes,) = fit.random_effects().plot("pairs").axes
    np.testing.assert_allclose(called(axes, "median").get_xydata(), np.median(flat(fit, "b_id"), axis=0))
    sd, corr = flat(fit, "sd_id"), flat(fit, "corr_id")[:, 0]
    covariance = (sd[:, 0] * sd[:, 1] * corr).mean()
    g = np.array([[(sd[:, 0] ** 2).mean(), covariance], [covariance, (sd[:, 1] ** 2).mean()]])
    for gid, distance in (("ellipse50", -2 * np.log(0.5)), ("ellipse95", -2 * np.log(0.05))):
        points = called(axes, gid).get_xydata()
        np.testing.assert_allclose(np.einsum("ni,ij,nj->n", points, np.linalg.inv(g), points), distance, rtol=1e-6)
    assert axes.get_ylabel() == "random effect b of time (log scale)"
    entries = [text.get_text() for text in fit.random_effects().plot("pairs").legends[0].get_texts()]
    assert entries == ["median, 50 % interval", "50 % of N(0, G)", "95 % of N(0, G)"]
    swapped = fit.random_effects().plot("pairs", columns="time").axes[0]
    assert swapped.get_ylabel() == "random effect b of Intercept (log scale)"
    with pytest.raises(OptionError, match="columns=time, time is no pair"):
        fit.random_effects().plot("pairs", columns=("time", "time"))
    with pytest.raises(OptionError, match="has one column"):
        hand_made(glmm("count ~ time + (1 | id)", seizure_like(), "poisson")).random_effects().plot("pairs")
    with pytest.raises(OptionError, match=r"compares effects with N\(0, G\)"):
        fit.random_effects(quantity="coefficients").plot("pairs")


def test_effect_pairs_of_two_blocks_are_uncorrelated() -> None:
    fit = hand_made(glmm("count ~ time + (1 + time || id)", seizure_like(), "poisson"))
    points = called(fit.random_effects().plot("pairs").axes[0], "ellipse95").get_xydata()
    assert np.abs(points[:, 0] @ points[:, 1]) < 1e-6 * np.square(points).sum()


def test_effect_quantiles_are_sorted_in_each_draw_beside_the_band_of_normal_order_statistics(fit: Fit) -> None:
    figure = fit.random_effects().plot("quantiles")
    for j, axes in enumerate(figure.axes):
        standard = flat(fit, "b_id")[..., j] / flat(fit, "sd_id")[:, [j]]
        normal, points = called(axes, "points").get_xydata().T
        np.testing.assert_allclose(points, np.sort(standard, axis=1).mean(axis=0))
        assert (np.diff(normal) > 0).all()
        outside = called(axes, "outside").get_ydata()
        assert set(outside) < set(points)
    assert "averaged over the draws" in str(figure.get_label())
    assert "one point in 20" in " ".join(str(figure.get_label()).split())
    assert len(fit.random_effects().plot("quantiles", columns="time").axes) == 1
    with pytest.raises(OptionError, match="did you mean 'time'"):
        fit.random_effects().plot("quantiles", columns="tme")


def test_diagnostics_have_a_row_a_parameter_and_the_verdict(fit: Fit) -> None:
    figure = plots.diagnostics(fit)
    assert len(figure.axes) == 2 * (7 + 1)
    assert "no problems found" in figure.get_suptitle()
    traces = [line for line in figure.axes[0].get_lines() if line.get_gid() == "trace"]
    for line, chain in zip(traces, fit.posterior["beta"].values[:, :, 0], strict=True):
        np.testing.assert_array_equal(line.get_ydata(), chain)
    counts = [patch.get_data().values for patch in figure.axes[1].patches if patch.get_gid() == "ranks"]
    assert len(counts) == 4
    np.testing.assert_allclose(np.mean(counts, axis=0), 1.0)
    assert "E-BFMI" in every_text(figure)


def test_diagnostics_of_a_broken_fit_say_so_and_show_divergences() -> None:
    figure = plots.diagnostics(seizure_fit(broken=True))
    assert "SAMPLING FAILED" in figure.get_suptitle()
    gids = [line.get_gid() for line in figure.axes[0].get_lines()]
    assert "divergences" in gids


def test_diagnostics_show_the_worst_of_many_parameters_and_work_with_one_chain() -> None:
    data = seizure_like(40)
    fit = hand_made(glmm("count ~ C(age) + (1 | id)", data, "negative_binomial"), chains=1, draws=60)
    figure = plots.diagnostics(fit)
    assert len(figure.axes) == 2 * (8 + 1)
    assert "largest R-hat" in str(figure.get_label())
    assert figure.axes[-1].get_title(loc="left").startswith("8 of ")
    assert "a single chain" in " ".join(figure.get_suptitle().split())


FIGURES = {
    "coefficients": lambda fit: fit.coefficients().plot(),
    "forest": lambda fit: fit.random_effects().plot(),
    "means": lambda fit: fit.group_means().plot(),
    "pairs": lambda fit: fit.random_effects().plot("pairs"),
    "quantiles": lambda fit: fit.random_effects().plot("quantiles"),
    "diagnostics": plots.diagnostics,
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_figures_are_returned_drawn_without_missing_glyphs_and_as_png(fit: Fit, draw: Any) -> None:
    figure = draw(fit)
    assert isinstance(figure, Figure)
    assert figure.png(dpi=60).startswith(b"\x89PNG")
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_png_of_few_colours_is_the_same_picture_in_a_smaller_file(fit: Fit) -> None:
    figure = plots.diagnostics(fit)
    every, few = figure.png(dpi=60), figure.png(dpi=60, colours=64)
    assert len(few) < 0.5 * len(every)
    with Image.open(BytesIO(every)) as before, Image.open(BytesIO(few)) as after:
        assert len(after.getcolors()) <= 64
        difference = np.asarray(before.convert("RGB"), dtype=float) - np.asarray(after.convert("RGB"), dtype=float)
    assert np.abs(difference).mean() < 3
    with pytest.raises(OptionError, match="from 2 to 256"):
        figure.png(colours=1)


def test_a_users_style_does_not_reach_the_figures(fit: Fit) -> None:
    plain = fit.coefficients().plot().png(dpi=60)
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 20, "text.color": "red"}):
        assert fit.coefficients().plot().png(dpi=60) == plain


@pytest.mark.parametrize(
    ("sd", "places"), [(0.143, 2), (0.0039, 4), (1.5, 2), (25.0, 0), (0.1, 2), (0.0, 3), (float("nan"), 3)]
)
def test_decimals_follow_the_uncertainty(sd: float, places: int) -> None:
    assert decimals(sd) == places


@pytest.mark.parametrize(
    ("value", "places", "text"), [(-0.001, 2, "0.00"), (-1.5, 2, "−1.50"), (12345.6, 0, "12,346"), (np.nan, 2, "–")]
)
def test_rounded_numbers_read_well(value: float, places: int, text: str) -> None:
    assert rounded(value, places) == text
