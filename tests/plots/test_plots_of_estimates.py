"""Pictures of estimates hold the numbers of their table, frames side by side on one scale, and name everything."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from handmade import hand_made, seizure_fit, seizure_like
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from bayesglmm import Fit, glmm
from bayesglmm.errors import OptionError
from bayesglmm.estimands.raw_means import BINS
from bayesglmm.plots import Picture

TWO = ("typical", "population")


@pytest.fixture(scope="module")
def counts() -> Fit:
    return seizure_fit(chains=2, draws=60)


@pytest.fixture(scope="module")
def binary() -> Fit:
    data = seizure_like().assign(age=lambda frame: frame["age"] / 10 - 4)
    return hand_made(glmm("event ~ age*trt + severity + (1 | id)", data, "bernoulli"), chains=2, draws=60)


@pytest.fixture(autouse=True)
def nothing_is_shown() -> Iterator[None]:
    yield
    assert plt.get_fignums() == []


def called(axes: Axes, gid: str) -> list[Any]:
    return [artist for artist in axes.get_children() if artist.get_gid() == gid]


def legend(figure: Picture) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_curves_stand_in_a_panel_a_frame_with_their_intervals(binary: Fit) -> None:
    found = binary.conditional_effects("age", by="trt", frame=TWO)
    figure = found.plot(labels={"age": "age (decades from 40)", "trt": "arm"})
    assert len(figure.axes) == 2
    for axes, frame in zip(figure.axes, TWO, strict=True):
        for trt in (0, 1):
            rows = found.table[(found.table["frame"] == frame) & (found.table["trt"] == trt)]
            (line,) = called(axes, f"median {trt}")
            np.testing.assert_allclose(line.get_xydata(), rows[["age", "median"]])
            (band,) = called(axes, f"interval {trt}")
            path = band.get_paths()[0].vertices
            assert path[:, 1].min() == pytest.approx(rows["lower"].min())
            assert path[:, 1].max() == pytest.approx(rows["upper"].max())
        assert axes.get_xlabel() == "age (decades from 40)"
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["typical: b = 0 of id", "population: averaged over id"]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert figure.axes[0].get_ylabel() == "probability of event = 1"
    assert {"0", "1", "posterior median", "its 95 % interval"} <= set(legend(figure))
    assert figure.legends[0].get_title().get_text() == "arm"
    assert "severity = Mild (its reference)" in figure.get_supxlabel()
    assert figure.get_label() == found.estimand


def test_groups_differ_in_more_than_colour(binary: Fit) -> None:
    found = binary.conditional_effects("age", at={"severity": ["Mild", "Moderate", "Severe"]})
    lines = [called(found.plot().axes[0], f"median {name}")[0] for name in ("Mild", "Moderate", "Severe")]
    assert len({str(line._dash_pattern) for line in lines}) == 3
    lightness = sorted(np.dot(to_rgb(line.get_color()), (0.299, 0.587, 0.114)) for line in lines)
    assert np.diff(lightness).min() > 0.1
    points = binary.conditional_effects("severity", by="trt").plot().axes[0]
    assert called(points, "median 0")[0].get_marker() != called(points, "median 1")[0].get_marker()


def test_spaghetti_is_of_single_draws(binary: Fit) -> None:
    found = binary.conditional_effects("age", by="trt")
    axes = found.plot(style="spaghetti", lines=20).axes[0]
    lines = called(axes, "draws 1")
    assert len(lines) == 20
    rows = np.flatnonzero(found.table["trt"] == 1)
    drawn = {tuple(np.round(line.get_ydata(), 12)) for line in lines}
    assert drawn <= {tuple(np.round(values, 12)) for values in found.flat[:, rows]}
    assert called(axes, "interval 1") == []
    with pytest.raises(OptionError, match="did you mean 'spaghetti'"):
        found.plot(style="spagetti")
    with pytest.raises(OptionError, match="lines=0"):
        found.plot(lines=0)


def test_factors_and_few_values_are_points_with_intervals(binary: Fit, counts: Fit) -> None:
    found = binary.conditional_effects("severity", by="trt", frame=TWO)
    axes = found.plot().axes[1]
    rows = found.table[(found.table["frame"] == "population") & (found.table["trt"] == 1)]
    np.testing.assert_allclose(called(axes, "median 1")[0].get_ydata(), rows["median"])
    ends = np.array([segment[:, 1] for segment in called(axes, "interval 1")[0].get_segments()])
    np.testing.assert_allclose(ends, rows[["lower", "upper"]])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["Mild", "Moderate", "Severe"]
    few = counts.conditional_effects("time", by="trt").plot()
    assert [text.get_text() for text in few.axes[0].get_xticklabels()] == ["0", "1"]
    assert few.axes[0].get_ylabel() == "expected count per unit of weeks"
    assert few.axes[0].get_ylim()[0] == 0


def test_comparisons_are_a_forest_of_their_table(binary: Fit) -> None:
    found = binary.comparisons("severity", comparison="odds_ratio", by="trt", frame=TWO)
    figure = found.plot()
    (axes,) = figure.axes
    for frame in TWO:
        rows = found.table[found.table["frame"] == frame]
        np.testing.assert_allclose(called(axes, f"median {frame}")[0].get_xdata(), rows["median"])
        ends = np.array([segment[:, 0] for segment in called(axes, f"interval {frame}")[0].get_segments()])
        np.testing.assert_allclose(ends, rows[["lower", "upper"]])
    assert axes.get_xscale() == "log"
    np.testing.assert_array_equal(called(axes, "null")[0].get_xdata(), [1, 1])
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        "severity: Moderate / Mild, trt = 0",
        "severity: Moderate / Mild, trt = 1",
        "severity: Severe / Mild, trt = 0",
        "severity: Severe / Mild, trt = 1",
    ]
    heights = [called(axes, f"median {frame}")[0].get_ydata() for frame in TWO]
    assert (heights[0] > heights[1]).all()
    said = "odds ratio, probability of event = 1 (typical: within rows; population: of averages)"
    assert axes.get_xlabel().replace("\n", " ") == said
    alone = binary.comparisons("severity", comparison="odds_ratio").plot().axes[0]
    assert alone.get_xlabel() == "odds ratio of averages, probability of event = 1"
    assert legend(figure) == ["typical: b = 0 of id", "population: averaged over id"]


@pytest.mark.parametrize("decades", [0.05, 0.3, 0.9, 1.1, 2.4, 2.6, 5])
def test_labels_of_ratios_keep_apart_however_wide_the_axis_is(binary: Fit, decades: float) -> None:
    found = binary.comparisons("age", comparison="odds_ratio", frame=TWO)
    log_ratio = np.log10(found.table[["lower", "upper"]].to_numpy())
    widened = replace(found, draws=found.draws ** (decades / np.ptp(log_ratio)))
    figure = widened.plot()
    (axes,) = figure.axes
    figure.draw_without_rendering()
    low, high = axes.get_xlim()
    at = [label for label in axes.get_xticklabels() if low <= label.get_position()[0] <= high]
    boxes = [label.get_window_extent() for label in at]
    assert at
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes)), [label.get_text() for label in at]


def test_slopes_and_averages_are_forests_and_many_rows_are_refused(binary: Fit) -> None:
    slopes = binary.slopes("age", by="trt").plot().axes[0]
    assert slopes.get_xlabel() == "average slope, probability of event = 1 per unit of age"
    assert slopes.get_xscale() == "linear"
    averages = binary.predictions(by="trt").plot().axes[0]
    assert called(averages, "null") == []
    assert [text.get_text() for text in averages.get_yticklabels()] == ["trt = 0", "trt = 1"]
    many = binary.conditional_effects(
        "age", by="trt", at={"severity": ["Mild", "Moderate", "Severe"], "trt": [0, 0.5, 1]}
    )
    with pytest.raises(OptionError, match="more than 8 combinations of trt, severity"):
        many.plot()
    with pytest.raises(OptionError, match="120 rows are too many"):
        binary.predictions(frame=TWO).plot()


@pytest.mark.parametrize("by", [None, "trt"])
def test_raw_means_of_counts_are_rates_behind_rates(counts: Fit, by: str | None) -> None:
    found = counts.conditional_effects("time", by=by, frame=TWO)
    figure = found.plot(raw=True)
    for trt, rows in seizure_like().groupby("trt" if by else (lambda _: "")):
        sums = rows.groupby("time")[["count", "weeks"]].sum()
        for axes in figure.axes:
            (points,) = called(axes, f"raw {trt}".rstrip())
            np.testing.assert_allclose(points.get_offsets()[:, 1], sums["count"] / sums["weeks"])
            (medians,) = called(axes, f"median {trt}".rstrip())
            assert (points.get_offsets()[:, 0] < medians.get_xdata()).all()
    each = "6 to 24" if by else "12 to 48"
    assert f"raw rate Σ count / Σ weeks\nof {each} outcomes, not adjusted" in legend(figure)
    assert "raw rate Σ count / Σ weeks: of 60 outcomes, over the groups" in " ".join(figure.get_supxlabel().split())
    assert not [one for axes in found.plot().axes for one in axes.get_children() if "raw" in str(one.get_gid())]


def test_raw_means_of_a_curve_are_in_bins_that_hold_every_outcome_once(binary: Fit) -> None:
    data = binary.model.design.columns.to_pandas()
    for variable in ("age", "trt"):
        table = binary.conditional_effects(variable, at={"severity": ["Mild", "Severe"]}).shown.raw().table
        for severity in ("Mild", "Severe"):
            by_value = data[data["severity"] == severity].groupby(variable)["event"].agg(["mean", "size"])
            cells = table.loc[table["severity"] == severity, [variable, "mean", "n"]]
            np.testing.assert_allclose(cells, by_value.reset_index())
    many = hand_made(glmm("event ~ x + (1 | id)", seizure_like(40).assign(x=np.geomspace(1, 50, 200)), "bernoulli"))
    table = many.conditional_effects("x").shown.raw().table
    assert table["n"].tolist() == [20] * BINS
    means = seizure_like(40)["event"].to_numpy().reshape(BINS, 20).mean(axis=1)
    np.testing.assert_allclose(table["mean"], means)
    np.testing.assert_allclose(table["x"], np.geomspace(1, 50, 200).reshape(BINS, 20).mean(axis=1))


def test_raw_means_keep_to_the_given_levels_and_groups_and_weigh_trials(binary: Fit) -> None:
    data = binary.model.design.columns.to_pandas()
    raw = binary.conditional_effects("trt", at={"severity": "Severe", "age": 0.0}).shown.raw()
    severe = data[data["severity"] == "Severe"]
    np.testing.assert_allclose(raw.table["mean"], severe.groupby("trt")["event"].mean())
    assert "with severity = Severe, over" in raw.note
    own = binary.conditional_effects("trt", frame="group", at={"id": [3, 4]}).shown.raw().table
    assert own["id"].tolist() == [3, 4]
    assert own["trt"].tolist() == [1, 0]
    sizes = seizure_like().assign(size=lambda data: 20 + 10 * data["time"])
    trials = hand_made(glmm("p(count, size) ~ trt + (1 | id)", sizes, "binomial"), draws=20)
    table = trials.conditional_effects("trt").shown.raw().table
    sums = sizes.groupby("trt")[["count", "size"]].sum()
    np.testing.assert_allclose(table["mean"], sums["count"] / sums["size"])
    np.testing.assert_array_equal(table["n"], sums["size"])


def test_raw_means_are_refused_where_they_do_not_compare(counts: Fit, binary: Fit) -> None:
    for found in (binary.comparisons("trt"), binary.conditional_effects("age", scale="link")):
        with pytest.raises(OptionError, match="on the scale of the response"):
            found.plot(raw=True)
    with pytest.raises(OptionError, match="leave the columns of the offset out of at"):
        counts.conditional_effects("time", at={"weeks": 2}).plot(raw=True)
    with pytest.raises(OptionError, match="no row of the data"):
        binary.conditional_effects("age", at={"trt": [0.25, 0.75]}).plot(raw=True)


def means_by_hand(fit: Fit, time: float, trt: float) -> tuple[np.ndarray, np.ndarray]:
    """Return draws of the typical subject's and the population's rate per week, by the log-normal mean."""
    beta, sd, corr = (fit.posterior[name].values.reshape(120, -1) for name in ("beta", "sd_id", "corr_id"))
    eta = beta @ np.array([1, trt, time, trt * time])
    v = sd[:, 0] ** 2 + 2 * time * corr[:, 0] * sd[:, 0] * sd[:, 1] + (time * sd[:, 1]) ** 2
    return np.exp(eta), np.exp(eta + v / 2)


def test_both_frames_hold_the_exact_means_and_the_legend_stands_outside(counts: Fit) -> None:
    figure = counts.conditional_effects("time", by="trt", frame=TWO).plot(raw=True)
    for trt in (0, 1):
        by_frame = zip(*(means_by_hand(counts, time, trt) for time in (0, 1)), strict=True)
        for axes, draws in zip(figure.axes, by_frame, strict=True):
            lower, median, upper = np.quantile(draws, (0.025, 0.5, 0.975), axis=1)
            np.testing.assert_allclose(called(axes, f"median {trt}")[0].get_ydata(), median, rtol=1e-9)
            intervals = [segment[:, 1] for segment in called(axes, f"interval {trt}")[0].get_segments()]
            np.testing.assert_allclose(intervals, np.stack([lower, upper], axis=1), rtol=1e-9)
    figure.draw_without_rendering()
    assert figure.legends[0].get_window_extent().x0 >= figure.axes[1].get_window_extent().x1


def test_a_rate_is_the_same_whatever_the_exposures() -> None:
    data = seizure_like()
    longer = data.assign(weeks=data["weeks"] * 3)
    formula = "count ~ time + offset(log(weeks)) + (1 | id)"
    first, second = (hand_made(glmm(formula, rows, "poisson"), draws=20) for rows in (data, longer))
    np.testing.assert_allclose(first.conditional_effects("time").draws, second.conditional_effects("time").draws)


def test_pictures_become_png(counts: Fit) -> None:
    for found in (counts.conditional_effects("time", frame=TWO), counts.comparisons("trt", comparison="ratio")):
        assert found.plot().png(dpi=50).startswith(b"\x89PNG")
