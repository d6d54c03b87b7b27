"""Models go to other processes: a pickled model is the model."""

import pickle

import numpy as np
import pytest

import bayesglmm as bg
from bayesglmm.specify.families import FAMILIES, get_family


@pytest.mark.parametrize(("family", "link"), [(name, link) for name in FAMILIES for link in FAMILIES[name].links])
def test_families_and_links_are_themselves_again(family: str, link: str) -> None:
    ours = get_family(family, link)
    assert pickle.loads(pickle.dumps(ours)) == ours
    assert pickle.loads(pickle.dumps(ours)).link is ours.link


def test_models_are_pickled_whole() -> None:
    model = bg.glmm("y ~ x + (1 | g)", {"y": [0, 1, 1, 0], "x": [0.1, 0.2, 0.3, 0.4], "g": list("aabb")}, "bernoulli")
    again = pickle.loads(pickle.dumps(model))
    assert str(again) == str(model)
    np.testing.assert_array_equal(again.design.x, model.design.x)
    assert again.family == model.family
