"""Fits that mend themselves: what is done, that it is said, and that it can be left."""

import numpy as np
import pytest
import xarray as xr

import bayesglmm as bg
from bayesglmm.sample import mending
from bayesglmm.sample.diagnostics import check
from bayesglmm.sample.sampling import sample
from bayesglmm.sample.settings import Sampler


@pytest.fixture(scope="module")
def zeros():
    """Counts that are all zero: the sd has a sharp wall, at which draws diverge with the usual step."""
    rng = np.random.default_rng(6)
    data = {"k": np.zeros(240, int), "z": rng.normal(size=240), "g": np.repeat(np.arange(24), 10)}
    return bg.glmm("k ~ z + (1 | g)", data, "poisson")


@pytest.fixture(scope="module")
def left(zeros):
    return sample(zeros, Sampler(seed=1, mend=False), progress=False)


def test_divergences_are_mended_by_a_smaller_step_which_is_said(zeros, left):
    assert int(left["sample_stats"]["diverging"].sum()) > 0
    mended = mending.mend(zeros, Sampler(seed=1), left, progress=False)
    assert int(mended["sample_stats"]["diverging"].sum()) == 0
    said = mended.attrs["mended"]
    assert "target_accept=0.99" in said
    assert "draws diverged" in said
    assert mended.attrs["target_accept"] == 0.85  # what was asked for, which an update asks for again
    fit = bg.Fit(zeros, mended)
    assert fit.check().ok
    assert said in str(fit)


def test_it_can_be_left_as_it_is(zeros, left):
    assert mending.mend(zeros, Sampler(seed=1, mend=False), left, progress=False) is left


def test_what_does_not_help_is_not_kept(zeros, left, monkeypatch):
    worse = left.copy()
    worse["sample_stats"] = xr.DataTree(
        left["sample_stats"].to_dataset().assign(diverging=~left["sample_stats"]["diverging"])
    )
    monkeypatch.setattr(mending, "sample", lambda *_, **__: worse)
    kept = mending.mend(zeros, Sampler(seed=1), left.copy(), progress=False)
    assert kept.attrs["mended"].endswith("that was no better, and the first draws are kept")
    np.testing.assert_array_equal(kept["sample_stats"]["diverging"], left["sample_stats"]["diverging"])


def test_what_fails_the_second_time_leaves_the_first_draws(zeros, left, monkeypatch):
    def fails(*_, **__):
        raise bg.errors.SamplingError("no chain has a finite draw")

    monkeypatch.setattr(mending, "sample", fails)
    kept = mending.mend(zeros, Sampler(seed=1), left.copy(), progress=False)
    assert kept.attrs["mended"].endswith("that failed (no chain has a finite draw), and the first draws are kept")
    np.testing.assert_array_equal(kept["sample_stats"]["diverging"], left["sample_stats"]["diverging"])


def test_chains_that_disagree_are_given_more_draws(zeros, left, monkeypatch):
    apart = left.copy()
    posterior = left["posterior"].to_dataset()
    shift = xr.DataArray([0, 0, 3, 3], dims="chain") * posterior["beta"].std()
    apart["posterior"] = xr.DataTree(posterior.assign(beta=posterior["beta"] + shift))
    asked = []
    monkeypatch.setattr(mending, "sample", lambda _, sampler, **__: asked.append(sampler) or left.copy())
    mended = mending.mend(zeros, Sampler(seed=1), apart, progress=False)
    assert asked[0].draws == 3000
    assert asked[0].tune == 600
    assert "R-hat above 1.01" in mended.attrs["mended"]


def test_long_fits_and_few_draws_are_left(zeros, left, monkeypatch):
    monkeypatch.setattr(mending, "_MOST_WORK", 1.0)
    assert mending.mend(zeros, Sampler(seed=1), left, progress=False) is left
    monkeypatch.undo()
    few = sample(zeros, Sampler(draws=50, tune=100, chains=2, seed=1, target_accept=0.99), progress=False)
    assert not check(few).ok
    assert mending.mend(zeros, Sampler(draws=50, tune=100, chains=2, seed=1), few, progress=False) is few


def test_the_screen_agrees_with_the_library():
    """What the library's R-hat finds above 1.01, the screen lets through to it."""
    import arviz as az

    rng = np.random.default_rng(1)
    for shift in (0.0, 0.05, 0.2, 0.5):
        for _ in range(20):
            values = rng.normal(size=(4, 500)) + shift * np.arange(4)[:, None]
            if az.rhat(values) > 1.01:
                assert mending._chains_disagree(values[:, :, None])
    assert not mending._chains_disagree(rng.normal(size=(4, 1000, 5)))
    assert mending._chains_disagree(np.concatenate([rng.normal(size=(3, 1000, 1)), 2 * rng.normal(size=(1, 1000, 1))]))


def test_the_setting_is_checked_and_carried_on():
    with pytest.raises(bg.errors.OptionError, match="mend='no'"):
        Sampler(mend="no")
    data = {"y": np.random.default_rng(1).normal(size=40), "g": np.repeat(np.arange(8), 5)}
    fit = bg.fit("y ~ 1 + (1 | g)", data, seed=1, draws=20, tune=50, chains=2, mend=False, progress=False)
    assert fit.draws.attrs["mend"] == 0
    assert fit.update(data=data, progress=False).draws.attrs["mend"] == 0
