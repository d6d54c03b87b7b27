"""The likelihood with one entry of θ held, and searches that begin near another maximum."""

import numpy as np
import pytest

import bayesglmm as bg
from bayesglmm.errors import OptionError
from bayesglmm.likelihood.maximise import maximise
from bayesglmm.likelihood.profile import held_at

CROSSOVER = "outcome ~ trt*period + (1 | id)"


@pytest.fixture(scope="module")
def crossover():
    return maximise(bg.glmm(CROSSOVER, bg.datasets.load("crossover"), "bernoulli"), nodes=40)


def test_an_sd_held_at_zero_is_the_model_without_groups(crossover):
    glm = maximise(bg.glmm("outcome ~ trt*period", bg.datasets.load("crossover"), "bernoulli"))
    value, theta = held_at(crossover, "chol_id[Intercept,Intercept]", 0.0)
    assert value == pytest.approx(glm.loglik, abs=1e-8)
    np.testing.assert_allclose(theta[:4], glm.beta, atol=1e-4)


def test_the_profile_is_quadratic_near_the_maximum(crossover):
    se = np.sqrt(np.linalg.inv(crossover.hessian)[1, 1])
    value, theta = held_at(crossover, "trt", crossover.theta[1] + 0.1 * se)
    assert crossover.loglik - value == pytest.approx(0.005, rel=0.1)
    assert theta[1] == crossover.theta[1] + 0.1 * se
    again, _ = held_at(crossover, "trt", theta[1], near=crossover.theta)
    assert again == pytest.approx(value, abs=1e-8)


def test_an_entry_that_is_none_and_pql_are_refused(crossover):
    with pytest.raises(OptionError, match="period"):
        held_at(crossover, "periods", 0.0)
    with pytest.raises(OptionError, match="PQL"):
        held_at(maximise(crossover.model, method="pql"), "trt", 0.0)


def test_a_search_that_begins_near_ends_at_the_same_maximum(crossover):
    data = bg.datasets.load("crossover").iloc[2:]
    model = bg.glmm(CROSSOVER, data, "bernoulli")
    anew, near = maximise(model, nodes=40), maximise(model, near=crossover)
    assert near.nodes == 40
    assert near.evaluations < anew.evaluations
    assert near.loglik == pytest.approx(anew.loglik, abs=1e-8)
    np.testing.assert_allclose(near.theta, anew.theta, rtol=1e-4)
