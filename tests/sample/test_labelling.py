"""Draws under the package's names; of interrupted chains the most that can be kept."""

import numpy as np
import pytest
import xarray as xr

import bayesglmm as bg
from bayesglmm.errors import SamplingError
from bayesglmm.sample import labelling


def test_interrupted_chains_keep_the_most_draws():
    beta = np.full((4, 10, 1), np.nan)
    for chain, end in enumerate((10, 8, 1, 0)):
        beta[chain, :end] = 1.0
    kept = labelling._complete(xr.Dataset({"beta": (("chain", "draw", "coef"), beta)}))
    assert list(kept["chain"]) == [0, 1]
    assert kept["draw"] == slice(0, 8)
    with pytest.raises(SamplingError, match="no chain"):
        labelling._complete(xr.Dataset({"beta": (("chain", "draw", "coef"), np.full((2, 5, 1), np.nan))}))


def test_draws_have_the_names_dims_and_statistics_of_the_package(seizure_fit):
    posterior, statistics = seizure_fit.posterior, seizure_fit.draws["sample_stats"]
    assert list(posterior.data_vars) == ["beta", "sd_id", "corr_id", "b_id"]
    assert posterior["b_id"].dims == ("chain", "draw", "id", "id_coef")
    assert list(posterior["coef"].values) == ["Intercept", "trt", "time", "trt:time"]
    assert set(statistics.data_vars) == set(labelling.STATISTICS)
    assert statistics["diverging"].dtype == bool
    assert seizure_fit.draws["observed_data"]["y"].sum() == bg.datasets.load("seizure")["count"].sum()
    assert seizure_fit.draws["constant_data"]["x"].shape == (295, 4)
