"""Priors on a variance or a precision, densities of one's own: scipy, quadrature, the graph, the compiled density."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from by_hand import table
from compiled_density import agree, density
from pymc.model.transform.conditioning import remove_value_transforms
from pytensor.compile.mode import Mode
from scipy import integrate, stats

import bayesglmm as bg
from bayesglmm.errors import OptionError, PriorError, StorageError
from bayesglmm.logdensity.pymc_graph import build
from bayesglmm.posterior.log_prior import log_prior
from bayesglmm.specify.model import Model, glmm
from bayesglmm.specify.priors import Gamma, Precision, Variance, custom, parse_prior
from bayesglmm.specify.priors.numeric import draw, log_density

# -- of a variance, of a precision -----------------------------------------------------------------

POWERS = {
    "variance(inv_gamma(2, 3))": stats.invgamma(2, scale=3),
    "variance(gamma(2, 3))": stats.gamma(2, scale=1 / 3),
    "variance(half_cauchy(2))": stats.halfcauchy(scale=2),
    "variance(uniform(1, 4))": stats.uniform(1, 3),
    "precision(gamma(2, 3))": stats.gamma(2, scale=1 / 3),
    "precision(exponential(2))": stats.expon(scale=1 / 2),
    "precision(uniform(1, 4))": stats.uniform(1, 3),
    "precision(truncated_gamma(2, 3, 0.5))": None,
}
every_power = pytest.mark.parametrize("text", POWERS)


@every_power
def test_a_prior_of_a_power_is_a_density_of_the_parameter(text: str) -> None:
    """It integrates to one between its bounds, and below any point has the mass that the power has on its side."""
    prior = parse_prior(text)
    assert isinstance(prior, Variance | Precision)
    assert str(prior) == text
    lower, upper = prior.bounds

    def mass(end: float) -> float:
        return float(integrate.quad(lambda x: math.exp(log_density(prior, x)), lower, end, epsabs=1e-12, limit=200)[0])

    assert mass(upper) == pytest.approx(1, abs=1e-9)
    of = POWERS[text]
    if of is not None:
        for at in (0.6, 0.9, 1.3):
            expected = of.cdf(at**2) if prior.power > 0 else of.sf(at**-2)
            assert mass(min(max(at, lower), upper)) == pytest.approx(expected, abs=1e-9)


def test_an_inverse_gamma_variance_and_a_gamma_precision_are_one_prior() -> None:
    at = np.geomspace(1e-3, 1e3, 40)
    one, other = parse_prior("variance(inv_gamma(0.001, 0.002))"), parse_prior("precision(gamma(0.001, 0.002))")
    np.testing.assert_allclose(log_density(one, at), log_density(other, at), rtol=1e-12)


@every_power
def test_draws_have_the_distribution_of_the_power(text: str) -> None:
    prior = parse_prior(text)
    drawn = draw(prior, np.random.default_rng(1), 20_000)
    if POWERS[text] is not None:
        assert stats.kstest(drawn**prior.power, POWERS[text].cdf).pvalue > 1e-4
    assert (drawn >= prior.bounds[0]).all()
    assert (drawn <= prior.bounds[1]).all()


@every_power
def test_the_compiled_density_of_a_power_is_the_graphs(text: str) -> None:
    agree(glmm("y ~ x + (1 + x | g)", table("gaussian"), "gaussian", priors={"sd": text, "sigma": text}))


def natural(model: Model, *names: str) -> Callable[..., float]:
    """Return the log prior density of some variables of the graph, on their own scale."""
    graph = remove_value_transforms(build(model, prior_only=True))
    values = [graph.rvs_to_values[graph[name]] for name in names]
    terms = [term.sum() for term in graph.logp(vars=[graph[name] for name in names], sum=False)]
    return graph.compile_fn(sum(terms), inputs=values, point_fn=False, mode=Mode("py", "fast_compile"))


def test_the_graph_has_the_log_density_of_each_column() -> None:
    given = {'sd["g"]["Intercept"]': "variance(gamma(2, 3))", 'sd["g"]["x"]': "precision(gamma(4, 5))"}
    model = glmm("y ~ x + (1 + x | g)", table("gaussian"), "gaussian", priors=given)
    logp = natural(model, "sd_g_variance_gamma", "sd_g_precision_gamma")
    for first, second in ((0.2, 3.0), (1.0, 1.0), (2.5, 0.4)):
        expected = stats.gamma(2, scale=1 / 3).logpdf(first**2) + math.log(2 * first)
        expected += stats.gamma(4, scale=1 / 5).logpdf(second**-2) + math.log(2) - 3 * math.log(second)
        assert logp(np.array([first]), np.array([second])) == pytest.approx(expected, rel=1e-10)


def test_the_log_prior_of_draws_is_the_density() -> None:
    priors = {"sd": "variance(inv_gamma(2, 3))", "sigma": "precision(gamma(2, 3))"}
    model = glmm("y ~ x + (1 | g)", table("gaussian"), "gaussian", priors=priors)
    drawn = model.prior_predictive(draws=20, seed=1)["prior"].to_dataset()
    found = log_prior(model, drawn)
    sd, sigma = drawn["sd_g"].values[..., 0], drawn["sigma"].values
    np.testing.assert_allclose(found["sd_g"], stats.invgamma(2, scale=3).logpdf(sd**2) + np.log(2 * sd), rtol=1e-9)
    expected = stats.gamma(2, scale=1 / 3).logpdf(sigma**-2.0) + np.log(2) - 3 * np.log(sigma)
    np.testing.assert_allclose(found["sigma"], expected, rtol=1e-9)


def test_a_conjugate_variance_has_its_posterior() -> None:
    """Normal outcomes of a mean that is all but known: σ² is inverse gamma again."""
    y = np.random.default_rng(3).normal(0, 2, 40)
    priors = {"intercept": "normal(0, 1e-6)", "sigma": "variance(inv_gamma(3, 5))"}
    fit = bg.fit("y ~ 1", {"y": y}, priors=priors, seed=1, draws=2000, progress=False)
    exact = stats.invgamma(3 + 20, scale=5 + (y**2).sum() / 2)
    variance = fit.posterior["sigma"].values.ravel() ** 2
    error = exact.std() / math.sqrt(fit.summary().loc["sigma", "ess_bulk"])
    assert abs(variance.mean() - exact.mean()) < 4.5 * error
    assert np.quantile(variance, 0.975) == pytest.approx(exact.ppf(0.975), rel=0.03)


def test_a_fit_with_a_prior_of_a_power_is_stored(tmp_path: object) -> None:
    priors = {"sd": "variance(inv_gamma(2, 3))", "sigma": Precision(Gamma(2, 3))}
    fit = bg.fit("y ~ x + (1 | g)", table("gaussian"), priors=priors, seed=1, draws=20, tune=30, progress=False)
    again = bg.load(fit.save(f"{tmp_path}/fit"))
    assert again.model.priors == fit.model.priors
    assert again.update(draws=20, tune=30, progress=False).model.priors == fit.model.priors


NO_POWERS = {
    "variance(normal(0, 1))": "no distribution of a variance.*around a distribution above zero",
    "variance(flat())": "no distribution of a variance",
    "precision(uniform(-1, 1))": "no distribution of a precision",
    "variance(lkj(2))": "no distribution of a variance",
    "variance(variance(gamma(1, 1)))": "no distribution of a variance",
    "precision()": r"lacks a distribution; it is written precision\(…\)",
    "precision": "lacks a distribution",
    "variance(gama(1, 1))": "did you mean 'gamma'",
    "variance(gamma(1))": "lacks rate",
    "varance": "did you mean 'variance'",
}


@pytest.mark.parametrize("text", NO_POWERS)
def test_what_is_no_prior_of_a_power_is_refused(text: str) -> None:
    with pytest.raises(PriorError, match=NO_POWERS[text]):
        parse_prior(text)


@pytest.mark.parametrize("given", [{"slopes": "variance(gamma(1, 1))"}, {"correlation": "precision(gamma(1, 1))"}])
def test_a_prior_of_a_power_is_for_what_is_above_zero(given: dict[str, str]) -> None:
    with pytest.raises(PriorError, match="does not suit it"):
        glmm("y ~ x + (1 + x | g)", table("gaussian"), priors=given)


# -- a density of one's own ------------------------------------------------------------------------


def laplace(x: float) -> float:
    return -abs(x - 1.0) / 2.0


def half_cauchy(x: float) -> float:
    return -math.log1p((x / 2.0) ** 2)


OWN = {
    "whole line": (custom(laplace), stats.laplace(1, 2)),
    "above zero": (custom(half_cauchy, bounds=(0, math.inf)), stats.halfcauchy(scale=2)),
    "an interval": (custom(lambda x: math.log(x - 2.0) + 2 * math.log(5.0 - x), bounds=(2, 5)), stats.beta(2, 3, 2, 3)),
    "heavy tails": (custom(lambda x: -math.log1p(x * x)), stats.cauchy()),
    "far and narrow": (custom(lambda x: -0.5 * ((x - 250.0) / 0.1) ** 2), stats.norm(250, 0.1)),
    "with a slope": (
        custom(half_cauchy, bounds=(0, math.inf), slope=lambda x: -2 * x / (4 + x * x)),
        stats.halfcauchy(scale=2),
    ),
}
every_own = pytest.mark.parametrize("name", OWN)


@every_own
def test_a_density_of_ones_own_is_normalized_drawn_from_and_differentiated(name: str) -> None:
    prior, exact = OWN[name]
    at = exact.ppf([0.02, 0.3, 0.45, 0.8, 0.99])
    close = 1e-4 if name == "whole line" else 1e-8  # that one has a kink
    np.testing.assert_allclose(log_density(prior, at), exact.logpdf(at), rtol=1e-9, atol=close)
    assert stats.kstest(draw(prior, np.random.default_rng(2), 20_000), exact.cdf).pvalue > 1e-4
    h = 1e-6 * exact.std() if np.isfinite(exact.std()) else 1e-6
    slopes = (exact.logpdf(at + h) - exact.logpdf(at - h)) / (2 * h)
    np.testing.assert_allclose(prior.slopes(at), slopes, rtol=1e-6, atol=1e-6)
    assert log_density(prior, prior.bounds[0] - 1.0) == -np.inf


@pytest.mark.parametrize("tensor", [True, False])
def test_the_compiled_density_of_ones_own_is_the_graphs(tensor: bool) -> None:
    import pytensor.tensor as pt

    smooth = custom(
        lambda x: -math.log1p((x - 1.0) ** 2),
        slope=lambda x: -2 * (x - 1.0) / (1 + (x - 1.0) ** 2),
        tensor=(lambda x: -pt.log1p((x - 1.0) ** 2)) if tensor else None,
    )
    above = custom(half_cauchy, bounds=(0, math.inf), tensor=(lambda x: -pt.log1p((x / 2.0) ** 2)) if tensor else None)
    between = custom(
        lambda x: math.log(x * (3.0 - x)), bounds=(0, 3), tensor=(lambda x: pt.log(x * (3 - x))) if tensor else None
    )
    priors = {"slopes": smooth, "sd": above, "sigma": between}
    agree(glmm("y ~ x + w + (1 + x | g)", table("gaussian"), "gaussian", priors=priors))


def test_a_density_of_ones_own_may_be_of_a_variance() -> None:
    own = custom(lambda v: -v, name="rate 1", bounds=(0, math.inf))
    prior = Variance(own)
    assert str(prior) == "variance(custom(rate 1))"
    at = np.array([0.3, 1.0, 2.0])
    np.testing.assert_allclose(
        log_density(prior, at), log_density(parse_prior("variance(exponential(1))"), at), rtol=1e-9
    )
    agree(glmm("y ~ x + (1 | g)", table("gaussian"), "gaussian", priors={"sd": prior}))


def test_two_functions_of_one_name_are_two_priors() -> None:
    """What tells them apart is what they compute, not what they are called."""

    def narrow(scale: float) -> object:
        return custom(lambda x: -0.5 * (x / scale) ** 2)

    for scale in (0.5, 2.0):
        priors = {"slopes": narrow(scale), "intercept": "normal(0, 1)", "sd": "half_normal(1)"}
        model = glmm("y ~ x + (1 | g)", table("gaussian"), "gaussian", priors=priors)
        usual = {**priors, "slopes": f"normal(0, {scale})"}
        for one, other in zip(*(at_points(model.update(priors=given)) for given in (priors, usual)), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9)


def at_points(model: Model) -> list[np.ndarray]:
    from bayesglmm.logdensity.header import Bound

    bound = Bound.of(model)
    rng = np.random.default_rng(4)
    return [density(bound, rng.normal(size=bound.dim))[1] for _ in range(3)]


def test_a_fit_under_a_density_of_ones_own_is_that_under_the_same_of_the_package() -> None:
    data = bg.datasets.load("sleepstudy")
    formula, settings = "Reaction ~ Days + (1 | Subject)", {"seed": 1, "draws": 1000, "progress": False}
    scaled = custom(lambda s: -math.log1p((s / 50.0) ** 2), name="half-Cauchy(50)", bounds=(0, math.inf))
    one = bg.fit(formula, data, priors={"sd": scaled}, **settings)
    other = bg.fit(formula, data, priors={"sd": "half_cauchy(50)"}, **settings)
    assert "custom(half-Cauchy(50))" in str(one.model)
    for name in one.summary().index:
        mine, theirs = one.summary().loc[name], other.summary().loc[name]
        error = math.hypot(mine["sd"] / math.sqrt(mine["ess_bulk"]), theirs["sd"] / math.sqrt(theirs["ess_bulk"]))
        assert abs(mine["mean"] - theirs["mean"]) < 4.5 * error
    assert one.update(draws=20, tune=30, progress=False).model.priors == one.model.priors
    np.testing.assert_allclose(
        one.zero_sd().table["prior_probability_below"], other.zero_sd().table["prior_probability_below"], rtol=1e-6
    )


def test_a_fit_with_a_density_of_ones_own_cannot_be_stored(tmp_path: object) -> None:
    fit = bg.fit("y ~ x", table("gaussian"), priors={"x": custom(laplace)}, draws=10, tune=20, seed=1, progress=False)
    with pytest.raises(StorageError, match=r"the prior custom\(laplace\) is not one of the package's.*keep the draws"):
        fit.save(f"{tmp_path}/fit")


def test_a_density_of_ones_own_is_sampled_through_the_graph_and_needs_a_tensor_for_numpyro() -> None:
    model = glmm("y ~ x", table("gaussian"), priors={"x": custom(laplace, name="mine")})
    fit = model.fit(backend="pymc", draws=200, tune=300, chains=2, seed=1, progress=False)
    assert np.isfinite(fit.summary()["mean"]).all()
    with pytest.raises(OptionError, match=r"needs custom\(mine\) as tensors: give custom\(…, tensor=…\)"):
        model.fit(backend="numpyro", progress=False)


NOT_OWN = {
    "no function": (lambda: custom(3), "logpdf is a function, not int"),
    "no slope": (lambda: custom(laplace, slope=3), "slope is a function, not int"),
    "no bounds": (lambda: custom(laplace, bounds=5), "are not two numbers"),
    "the wrong way round": (lambda: custom(laplace, bounds=(1, 0)), "with lower below upper"),
    "open below alone": (lambda: custom(laplace, bounds=(-math.inf, 0)), r"give \(-inf, inf\)"),
    "improper": (lambda: log_density(custom(lambda x: 0.0), 1.0), "does not integrate"),
    "nowhere": (lambda: log_density(custom(lambda x: -math.inf), 1.0), "nowhere above zero"),
    "not compiled": (
        lambda: agree(glmm("y ~ x", table("gaussian"), priors={"x": custom(lambda x: stats.norm.logpdf(x))})),
        r"a prior of your own cannot be compiled: .*<lambda>.*plain scalar Python",
    ),
}


@pytest.mark.parametrize("name", NOT_OWN)
def test_what_is_no_density_is_refused(name: str) -> None:
    make, match = NOT_OWN[name]
    with pytest.raises(PriorError, match=match):
        make()


def test_a_density_of_ones_own_suits_what_its_bounds_suit() -> None:
    with pytest.raises(PriorError, match="does not suit it"):
        glmm("y ~ x + (1 | g)", table("gaussian"), priors={"sd": custom(laplace)})


def test_flat_as_far_as_one_looks_is_sampled_and_refused_where_it_is_drawn_from() -> None:
    model = glmm("y ~ x", table("gaussian"), priors={"x": custom(lambda x: 0.0)})
    agree(model)
    with pytest.raises(PriorError, match="does not integrate"):
        model.prior_predictive(draws=5, seed=1)
