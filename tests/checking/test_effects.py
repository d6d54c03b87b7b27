"""The normal plot of random effects lets normal ones pass and finds others where groups have rows enough."""

import numpy as np
import pandas as pd
import pytest

from bayesglmm import fit
from bayesglmm.plots.effect_quantiles import sorted_effects

LEVELS = 120


def share_outside(kind: str, rows: int, seed: int) -> float:
    """Return the share of the points that lie outside the band."""
    rng = np.random.default_rng(seed)
    b = {
        "normal": rng.normal(size=LEVELS),
        "t": rng.standard_t(2.5, LEVELS) / 5**0.5,
        "bimodal": 0.95 * rng.choice([-1, 1], LEVELS) + 0.3 * rng.normal(size=LEVELS),
    }[kind]
    group = np.repeat(np.arange(LEVELS), rows)
    data = pd.DataFrame({"g": group, "y": rng.poisson(np.exp(1 + 0.7 * b[group]))})
    effects = fit("y ~ 1 + (1 | g)", data, "poisson", draws=250, chains=2, seed=1, progress=False).random_effects()
    points, lower, upper = sorted_effects(effects.flat[..., 0], effects.sd[:, 0])
    return float(np.mean((points < lower) | (points > upper)))


@pytest.mark.parametrize("rows", [2, 8])
def test_normal_effects_are_not_condemned(rows: int) -> None:
    assert np.mean([share_outside("normal", rows, seed) for seed in range(3)]) <= 0.05


@pytest.mark.parametrize("kind", ["t", "bimodal"])
def test_effects_that_are_not_normal_are_found_in_rich_groups(kind: str) -> None:
    assert np.mean([share_outside(kind, 20, seed) for seed in range(2)]) > 0.1
