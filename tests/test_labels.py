"""Whatever stands in a label is text: in figures, in tables as text and HTML, in the report and in files."""

import io
import re
import xml.dom.minidom
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from handmade import hand_made
from matplotlib.text import Text

import bayesglmm as bg
from bayesglmm import Fit, glmm, plots
from bayesglmm.common.text import plain
from bayesglmm.errors import DataError
from bayesglmm.faces.report import Wanted, write_report, write_results
from bayesglmm.plots import Picture
from bayesglmm.sensitivity.prior_ladder import PriorLadder

NASTY = (
    "$10k-$20k",
    "$x_{$",
    "_hidden",
    "<b>&amp;</b>",
    "a|b",
    "100%",
    r"\frac{1}",
    "{b",
    "^top",
    "[T.z]",
    "a:b",
    'it\'s "q"',
    "two\nlines",
    "tab\there",
    "red\x1b[31m",
    "bell\x07",
    "turned\u202eround",
    "\u05e9\u05dc\u05d5\u05dd",
    "\u0633\u0644\u0627\u0645",
    "\u65e5\u672c",
    "long " + "very " * 60 + "a",
    "long " + "very " * 60 + "b",
    "",
    "=1+1",
)
"""Levels that are mathematics, markup, control or commands to something that shows them."""

FEW = tuple(NASTY[i] for i in (0, 1, 2, 3, 12))
"""Levels of a predictor, which a picture tells apart by colour."""


@pytest.fixture(scope="module")
def fit() -> Fit:
    rng, m = np.random.default_rng(1), len(NASTY)
    data = pd.DataFrame(
        {
            "g": np.array(NASTY, dtype=object)[np.repeat(np.arange(m), 6)],
            "f": np.array(FEW, dtype=object)[np.arange(6 * m) % len(FEW)],
            "x": rng.normal(size=6 * m),
            "yes": np.array(["$no_{$", "yes\x1b[0m"], dtype=object)[rng.integers(0, 2, 6 * m)],
        }
    )
    return hand_made(glmm("yes ~ f*x + (1 + x | g)", data, "bernoulli"), chains=2, draws=60)


def without_markup(figure: Picture) -> str:
    """Draw a figure as SVG, which must be XML, and return its texts; none is read as mathematics."""
    file = io.BytesIO()
    figure.savefig(file, format="svg")
    xml.dom.minidom.parseString(file.getvalue())
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    assert not any(text.get_parse_math() for text in texts)
    assert not any(re.search(r"[\x00-\x09\x0b-\x1f\u202e]", text.get_text()) for text in texts)
    return "\n".join(text.get_text() for text in texts)


LEVELS = ("$x_{$", "_hidden", "<b>&amp;</b>", r"two\nlines")
FIGURES: dict[str, tuple[Callable[[Fit], Picture], tuple[str, ...]]] = {
    "coefficients": (lambda fit: fit.coefficients().plot(), ("f[$x_{$]", "f[<b>&amp;</b>] × x", r"f[two\nlines]")),
    "forest": (
        lambda fit: fit.random_effects().plot(),
        (*LEVELS, r"\frac{1}", "a:b", r"red\x1b[31m", r"turned\u202eround", '""'),
    ),
    "coefficients of groups": (lambda fit: fit.random_effects(quantity="coefficients").plot(columns="x"), LEVELS),
    "means": (lambda fit: fit.group_means().plot(), (*LEVELS, r"mean of yes")),
    "pairs": (lambda fit: fit.random_effects().plot("pairs"), ("random effect b of x",)),
    "quantiles": (lambda fit: fit.random_effects().plot("quantiles"), ("random effect b of g / σ",)),
    "diagnostics": (plots.diagnostics, ("beta[",)),
    "conditional effects": (
        lambda fit: fit.conditional_effects("x", by="f").plot(raw=True, labels={"f": "$f_{$"}),
        (*LEVELS, "$f_{$"),
    ),
    "conditional effects of labels": (lambda fit: fit.conditional_effects("f").plot(raw=True), LEVELS),
    "frames": (
        lambda fit: fit.conditional_effects("f", at={"g": NASTY[1]}, frame=("group", "typical")).plot(),
        (*LEVELS, "g = $x_{$"),
    ),
    "comparisons": (lambda fit: fit.comparisons("f").plot(), ("f: _hidden − $10k-$20k", r"f: two\nlines − $10k-$20k")),
    "slopes": (lambda fit: fit.slopes("x", by="f").plot(), ("x, f = $x_{$",)),
    "averages": (
        lambda fit: fit.predictions(by="f").plot(labels={"value": "a $mean_{$"}),
        ("f = _hidden", "a $mean_{$"),
    ),
    "implied": (lambda fit: fit.model.implied_priors(draws=200).plot(), ("f: $10k-$20k → $x_{$",)),
    "sensitivity": (lambda fit: fit.prior_sensitivity(quantities={}).plot(), ("beta[f[$x_{$] × x]",)),
    "zero sd": (lambda fit: fit.zero_sd(max_draws=100).plot(references={"$a_{$": 0.5}), ("$a_{$ 0.5",)),
    "separation": (lambda fit: fit.separation().plot(), ("f[$x_{$]", "f[<b>&amp;</b>] × x")),
}


@pytest.mark.parametrize(("draw", "said"), FIGURES.values(), ids=FIGURES)
def test_every_figure_shows_labels_as_they_are(fit: Fit, draw: Callable[[Fit], Picture], said: tuple[str, ...]) -> None:
    figure = draw(fit)
    texts = without_markup(figure)
    for text in said:
        assert text in texts.replace("\n", " ") or text in texts
    assert max(figure.get_size_inches()) < 20
    assert "\x1b" not in str(figure.get_label())


def test_a_ladder_of_labels_is_text() -> None:
    index = pd.MultiIndex.from_product([["beta[f[T.$x_{$]:x]", "sd_g[_a]"], [1.0, 2.5]], names=["parameter", "scale"])
    table = pd.DataFrame({"median": 0.1, "lower": 0.0, "upper": 0.2}, index=index)
    ladder: PriorLadder[Any] = PriorLadder(table, xr.Dataset(), "slopes ~ Normal(0, scale)", {}, {}, {}, "logit scale")
    drawn = without_markup(ladder.plot())
    assert "beta[f[$x_{$] × x]" in drawn


def test_every_table_is_a_line_a_row(fit: Fit) -> None:
    shown = {
        "fit": (str(fit), len(fit.summary())),
        "model": (str(fit.model), 0),
        "effects": (str(fit.random_effects("g")), 0),
        "coefficients": (str(fit.coefficients()), len(fit.model.design.coef)),
        "means": (str(fit.group_means()), 0),
        "zero sd": (str(fit.zero_sd(max_draws=100)), 0),
        "comparisons": (str(fit.comparisons("f")), 4),
        "predictions": (str(fit.predictions(by="f")), 5),
        "separation": (str(fit.separation()), len(fit.model.design.coef)),
        "implied": (str(fit.model.implied_priors(draws=100)), 0),
        "sensitivity": (str(fit.prior_sensitivity(quantities={})), 0),
    }
    for name, (text, rows) in shown.items():
        assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", text), name
        assert name == "zero sd" or r"two\nlines" in text, name
        if rows:
            assert max(len(part.splitlines()) for part in text.split("\n\n")) >= rows, name


class Page(HTMLParser):
    """The tags and the texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.found.append(data.strip())


def test_notebooks_show_labels_as_they_are_in_full_and_without_mathematics(fit: Fit) -> None:
    results = (
        fit.separation(),
        fit.coefficients(),
        fit.random_effects(),
        fit.group_means(),
        fit.zero_sd(max_draws=100),
    )
    results += (fit.prior_sensitivity(quantities={}), fit.model.implied_priors(draws=100))
    for shown in (fit, fit.model, fit.check(), *results, fit.comparisons("f"), fit.predictions(by="g")):
        text = shown._repr_html_()
        assert re.match(r'<div class="[^"]*tex2jax_ignore mathjax_ignore', text), type(shown)
        assert "<b>&amp;</b>" not in text
        assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", text)
    cells = Page(fit.predictions(by="g")._repr_html_()).found
    assert {plain(level) for level in NASTY} - {""} <= set(cells)


def test_the_report_shows_labels_as_they_are(fit: Fit, tmp_path: Path) -> None:
    figure = fit.coefficients().plot()
    figure.set_label("a $caption_{$ <i>\nof two lines")
    text = write_report(fit, {"c": figure}, tmp_path / "report.html", "a $title_{$\n<b>", "One\nparagraph.").read_text()
    page = Page(text)
    assert "beta[f[T.$x_{$]]" in page.found
    assert r"beta[f[T.two\nlines]]" in page.found
    assert "One paragraph." in page.found
    assert "a $title_{$ <b>" in page.found
    assert any("a $caption_{$ <i> of two lines" in found for found in page.found)
    assert "i" not in page.tags
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", text)


def test_labels_come_back_from_a_file(fit: Fit, tmp_path: Path) -> None:
    again = bg.load(fit.save(tmp_path / "fit"))
    assert again.model.design.coef == fit.model.design.coef
    assert list(again.posterior["g"].values) == list(fit.model.design.blocks[0].levels)
    pd.testing.assert_frame_equal(again.random_effects("g").table, fit.random_effects("g").table)


def test_a_label_that_no_file_keeps_is_refused() -> None:
    data = pd.DataFrame({"y": np.arange(12.0) % 5, "x": ["a", "a\0"] * 6, "g": ["u", "v", "w\0"] * 4}, dtype=object)
    data["y"] = data["y"].astype(float)
    with pytest.raises(DataError, match=r"'a\\x00' of 'x' holds the character U\+0000"):
        glmm("y ~ x", data, "gaussian")
    with pytest.raises(DataError, match=r"'w\\x00' of 'g' holds"):
        glmm("y ~ 1 + (1 | g)", data, "gaussian")
    data["x"] = pd.Series(["a", "\ud800"] * 6, dtype=object)
    with pytest.raises(DataError, match=r"'\\ud800' of 'x' holds the character U\+D800"):
        glmm("y ~ x", data, "gaussian")


def test_files_of_figures_have_names_that_fit_and_differ(tmp_path: Path) -> None:
    long = "very_" * 60
    data = pd.DataFrame({long: np.arange(24) // 4, long.upper(): np.arange(24) % 5, "y": np.arange(24.0) % 7})
    fit = hand_made(glmm(f"y ~ 1 + (1 | {long}) + (1 | {long.upper()})", data, "gaussian"), chains=2, draws=40)
    written = [path.name for path in write_results(fit, Wanted(("random_effects",)), tmp_path)]
    pictures = [name for name in written if name.endswith(".png")]
    assert len({name.lower() for name in pictures}) == 2
    assert max(map(len, pictures)) < 150
