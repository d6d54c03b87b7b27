"""The factor of the joint precision has the entries that levels sharing rows give it, and no more."""

import numpy as np

from bayesglmm.logdensity.data_rows import Rows
from bayesglmm.logdensity.joint_precision import JointPattern
from bayesglmm.specify.model import glmm


def test_nested_factors_cost_no_more_than_they_have_entries():
    """Casks in batches: the row of a cask meets its batch and the intercept, that of a batch the intercept."""
    batch, cask = np.repeat(np.arange(10), 6), np.repeat(np.arange(30), 2)
    data = {"y": np.random.default_rng(1).normal(size=60), "batch": batch, "cask": cask}
    model = glmm("y ~ 1 + (1 | batch) + (1 | cask)", data)
    sizes = [(len(block.levels), block.size) for block in model.design.blocks]
    pattern = JointPattern.of(Rows.of(model), sizes, np.ones((60, 1)), 10_000)
    assert np.bincount(np.diff(pattern.row_start)).tolist() == [1, 10, 30]
    assert JointPattern.of(Rows.of(model), sizes, np.ones((60, 1)), 99) is None
