"""Logarithmic axes have numbers as labels: figures do not read mathematical notation."""

import numpy as np
import pandas as pd
import pytest

import bayesglmm as bg


@pytest.fixture(scope="module")
def fits():
    rng = np.random.default_rng(3)
    group, x = np.repeat(np.arange(12), 6), np.tile([0.0, 1.0], 36)
    y = rng.poisson(np.exp(0.5 + 0.4 * x + rng.normal(0, 0.6, 12)[group]))
    data = pd.DataFrame({"y": y, "x": x, "group": group})
    return [bg.maximum_likelihood(f"y ~ x{block}", data, "poisson") for block in ("", " + (1 | group)")]


def labels(figure, which):
    """Return the labels of an axis as drawn."""
    figure.canvas.draw()
    return [text.get_text() for text in getattr(figure.axes[0], f"get_{which}ticklabels")() if text.get_text()]


def drawn(name, fits):
    if name == "side_by_side":
        return bg.side_by_side({"GLM": fits[0], "GLMM": fits[1]}, exponentiate=True).plot()
    test = bg.likelihood_ratio if name == "likelihood_ratio" else bg.bootstrap_likelihood_ratio
    return test(*fits, **({} if name == "likelihood_ratio" else {"n": 19, "seed": 1, "progress": False})).plot()


@pytest.mark.parametrize(
    ("name", "which"), [("side_by_side", "x"), ("likelihood_ratio", "y"), ("bootstrap_likelihood_ratio", "y")]
)
def test_labels_are_numbers(fits, name, which):
    found = labels(drawn(name, fits), which)
    assert len(found) >= 2
    assert [float(text) for text in found] == sorted(float(text) for text in found)
