"""Links and families of one's own: what the package knows of them stands on them, under whatever name."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytensor.tensor as pt
import pytest
from compiled_density import agree
from scipy import integrate, special, stats

import bayesglmm as bg
from bayesglmm.errors import FamilyError, OptionError, StorageError
from bayesglmm.estimands.coefficients import coefficients
from bayesglmm.faces.report.reading import how_to_read
from bayesglmm.marginalize.covariance import shared_covariance
from bayesglmm.marginalize.mean import link_of_mean, mean_over_b
from bayesglmm.specify.families import FAMILIES, Family, Parameter, Residual, Rule
from bayesglmm.specify.families.averaging import Undefined
from bayesglmm.specify.families.links import LINKS, Link, get_link
from bayesglmm.specify.priors.scales import scales

# -- links -----------------------------------------------------------------------------------------


def loglog_rows(n: int, eta: Any, a: Any, b: Any, da: Any, db: Any) -> None:
    for i in range(n):
        rate = math.exp(-eta[i])
        a[i] = -rate
        da[i] = rate
        b[i] = math.log(-math.expm1(-rate)) if rate > 1e-12 else -eta[i]
        db[i] = -rate / math.expm1(rate) if 1e-12 < rate < 700.0 else -1.0 if rate <= 1e-12 else 0.0


def loglog_log_odds(eta: Any) -> Any:
    return -LINKS["cloglog"].tensor_log_odds(-eta)


LOGLOG = Link(
    "loglog",
    "unit",
    lambda mu: -np.log(-np.log(mu)),
    lambda eta: np.exp(-np.exp(-eta)),
    lambda eta: np.exp(-eta - np.exp(-eta)),
    lambda eta: pt.exp(-pt.exp(-eta)),
    "loglog {}",
    loglog_rows,
    loglog_log_odds,
)
"""The mirror of cloglog, told with no more than a link must tell."""

K = 5.0


def scaled_rows(n: int, eta: Any, a: Any, b: Any, da: Any, db: Any) -> None:
    for i in range(n):
        x = eta[i] / 5.0
        tail = math.exp(-abs(x))
        small = math.log1p(tail)
        a[i] = -small if x > 0.0 else x - small
        b[i] = -x - small if x > 0.0 else -small
        p = 1.0 / (1.0 + math.exp(-x))
        da[i] = (1.0 - p) / 5.0
        db[i] = -p / 5.0


SCALED = Link(
    "five log odds",
    "unit",
    lambda mu: K * special.logit(mu),
    lambda eta: special.expit(eta / K),
    lambda eta: special.expit(eta / K) * special.expit(-eta / K) / K,
    lambda eta: pt.sigmoid(eta / K),
    "5 logit {}",
    scaled_rows,
    lambda eta: eta / K,
    latent_variance=K**2 * np.pi**2 / 3,
    latent_text="25π²/3",
    symmetric=True,
)
"""η is five times the log odds: every average and prior follows from those of the logit."""


def softplus_rows(n: int, eta: Any, a: Any, b: Any, da: Any, db: Any) -> None:
    for i in range(n):
        a[i] = math.log1p(math.exp(-abs(eta[i]))) + max(eta[i], 0.0)
        b[i] = math.log(a[i])
        da[i] = 1.0 / (1.0 + math.exp(-eta[i]))
        db[i] = da[i] / a[i]


SOFTPLUS = Link(
    "softplus",
    "positive",
    lambda mu: mu + np.log(-np.expm1(-mu)),
    lambda eta: np.logaddexp(0, eta),
    special.expit,
    lambda eta: pt.softplus(eta),
    "softplus⁻¹ {}",
    softplus_rows,
)

OWN = {"loglog": LOGLOG, "scaled": SCALED, "softplus": SOFTPLUS}
every_own = pytest.mark.parametrize("name", OWN)


def table(n: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    data = pd.DataFrame({"g": np.repeat(np.arange(n // 6), 6), "x": rng.normal(size=n), "w": rng.normal(2, 3, n)})
    eta = 0.3 + 0.8 * data.x + rng.normal(0, 0.7, n // 6)[data.g]
    return data.assign(
        y=(rng.random(n) < special.expit(eta)).astype(int),
        k=rng.poisson(np.exp(eta)),
        e=np.exp(eta + rng.normal(size=n)),
    )


def family_of(name: str) -> Family:
    return FAMILIES["poisson" if name == "softplus" else "bernoulli"].with_link(OWN[name])


def model_of(name: str, rhs: str = "x + (1 + x | g)", **given: Any) -> bg.Model:
    return bg.glmm(f"{'k' if name == 'softplus' else 'y'} ~ {rhs}", table(), family_of(name), **given)


@every_own
def test_a_links_average_is_the_integral(name: str) -> None:
    link = OWN[name]
    eta, s = np.meshgrid([-6.0, -1.0, 0.0, 0.7, 3.0, 12.0], [0.0, 0.1, 0.8, 2.5, 7.0, 20.0])

    @np.errstate(over="ignore")
    def exactly(at: float, width: float) -> float:
        inside = sorted({-38.0, 38.0, -9.0, 9.0, *np.clip(-at / max(width, 1e-9) + np.array([-3, 0, 3]), -9, 9)})
        pieces = pairwise(inside)
        return sum(
            integrate.quad(
                lambda z: float(link.inverse(np.array(at + width * z))) * stats.norm.pdf(z),
                *ends,
                epsabs=1e-14,
                limit=300,
            )[0]
            for ends in pieces
        )

    expected = np.array([exactly(*pair) for pair in zip(eta.ravel(), s.ravel(), strict=True)]).reshape(eta.shape)
    np.testing.assert_allclose(mean_over_b(link, eta, s**2), expected, rtol=1e-9, atol=1e-10)
    inside = (expected > 1e-9) & (expected < (1 - 1e-9 if link.range == "unit" else np.inf)) & (s > 0)
    np.testing.assert_allclose(link_of_mean(link, eta, s**2)[inside], link.link(expected[inside]), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(link_of_mean(link, eta, 0 * s), eta)


def test_averages_of_mirrored_and_scaled_links_are_those_of_the_packages_own() -> None:
    eta, v = np.meshgrid(np.linspace(-8, 8, 33), np.array([0.0, 0.04, 1.0, 9.0, 400.0]))
    np.testing.assert_allclose(mean_over_b(LOGLOG, eta, v), 1 - mean_over_b(get_link("cloglog"), -eta, v), atol=2e-10)
    np.testing.assert_allclose(
        mean_over_b(SCALED, K * eta, K**2 * v), mean_over_b(get_link("logit"), eta, v), atol=2e-10
    )
    np.testing.assert_allclose(
        link_of_mean(SCALED, K * eta, K**2 * v), K * link_of_mean(get_link("logit"), eta, v), rtol=1e-7, atol=1e-9
    )
    eta, v = eta[:4, ::16], v[:4, ::16]
    for own in (0.0, 0.5):
        mine = shared_covariance(SCALED, K * eta, K**2 * v, K**2 * own)
        np.testing.assert_allclose(mine, shared_covariance(get_link("logit"), eta, v, own), atol=1e-9)
        mine = shared_covariance(LOGLOG, eta, v, own)
        np.testing.assert_allclose(mine, shared_covariance(get_link("cloglog"), -eta, v, own), atol=1e-9)


def test_a_covariance_under_a_growing_link_is_the_integral() -> None:
    z = np.linspace(-12, 12, 20_001)
    weights = stats.norm.pdf(z) / stats.norm.pdf(z).sum()
    for eta, v in ((0.3, 0.5), (2.0, 4.0), (-3.0, 9.0)):
        values = SOFTPLUS.inverse(eta + math.sqrt(v) * z)
        expected = weights @ values**2 - (weights @ values) ** 2
        assert shared_covariance(SOFTPLUS, eta, v) == pytest.approx(expected, rel=1e-9)


@every_own
def test_a_links_density_is_the_graphs(name: str) -> None:
    agree(model_of(name, "x + (1 | g)"))


def test_a_beta_family_under_a_link_that_is_not_symmetric_has_the_density_of_its_means() -> None:
    data = table().assign(u=lambda d: special.expit(d.w / 3))
    agree(bg.glmm("u ~ x + (1 | g)", data, FAMILIES["beta"].with_link(LOGLOG)))


@pytest.fixture(scope="module", params=OWN)
def fit(request: pytest.FixtureRequest) -> bg.Fit:
    return model_of(request.param).fit(seed=3, draws=150, tune=300, chains=2, progress=False)


def test_everything_that_is_asked_of_a_fit_has_an_answer(fit: bg.Fit) -> None:
    link, unit = fit.model.family.link, fit.model.family.link.range == "unit"
    assert np.isfinite(fit.coefficients().table.to_numpy()).all()
    frames = ("typical", "population", "group")
    for estimates in (
        fit.predictions(frame=frames),
        fit.comparisons("x", frame=frames),
        fit.comparisons("x", comparison="ratio"),
        fit.slopes("x", frame=frames),
        fit.conditional_effects("x"),
    ):
        assert np.isfinite(estimates.table["mean"]).all()
    assert fit.icc(scale="response").loc["residual", "median"] < 1
    assert np.isfinite(fit.random_effects("g").table["median"]).all()
    text = " ".join(how_to_read(fit.model))
    assert ("pulled toward the middle" if unit else "another curve") in text
    assert f"({link.name} link)" in text
    assert "exp(coefficient)" not in text
    assert np.isfinite(fit.model.implied_priors(draws=200).table["median"]).all()
    assert fit.group_log_likelihood().notnull().all()
    assert f"{link.name} link" in str(fit)
    assert bg.check_separation("y ~ x", table(), link=LOGLOG).given_x["estimate"].eq("finite").all()


def test_slopes_of_the_population_are_derivatives_of_its_mean(fit: bg.Fit) -> None:
    apart = 1e-3
    high, low = (fit.epred(table().assign(x=table().x + step)).mean("row") for step in (apart, -apart))
    np.testing.assert_allclose(
        np.ravel(fit.slopes("x").draws), np.ravel(high - low) / (2 * apart), rtol=1e-4, atol=1e-7
    )


def test_what_a_link_does_not_say_is_asked_for_by_its_true_name() -> None:
    fits = {name: model_of(name).fit(seed=3, draws=20, tune=30, chains=1, progress=False) for name in OWN}
    with pytest.raises(OptionError, match="the loglog link does not say what variance its latent variable has"):
        fits["loglog"].icc()
    with pytest.raises(OptionError, match="poisson family with the softplus link has no residual on the latent scale"):
        fits["softplus"].icc()
    latent = fits["scaled"].icc()
    assert latent.attrs["residual"] == "25π²/3 (five log odds link)"
    with pytest.raises(OptionError, match=r"'zeger'.*not defined for the loglog link"):
        coefficients(fits["loglog"], method="zeger")
    with pytest.raises(OptionError, match="has no meaning of its own under the loglog link"):
        fits["loglog"].coefficients(exponentiate=True)
    with pytest.raises(OptionError, match="no meaning of its own on the response scale under the loglog link"):
        fits["loglog"].random_effects("g", quantity="coefficients", scale="response")
    assert "icc" not in model_of("loglog").implied_priors(draws=50).draws
    assert "icc" in model_of("scaled").implied_priors(draws=50).draws


def test_a_link_without_averages_says_why() -> None:
    kinked = replace(SCALED, name="kinked", inverse=lambda eta: np.where(eta < 0.1, 0.2, 0.8))
    with pytest.raises(OptionError, match=r"kinked link.*does not converge.*not smooth"):
        mean_over_b(kinked, 0.0, 1.0)
    none = replace(SOFTPLUS, name="mine", averaging=Undefined("it has none"))
    with pytest.raises(OptionError, match=r"mean under the mine link has no average.*: it has none; the frames"):
        mean_over_b(none, 0.0, 1.0)
    with pytest.raises(OptionError, match="mean under the mine link has no average"):
        shared_covariance(none, 0.0, 1.0)


def test_prior_scales_follow_a_link() -> None:
    logit, scaled = (bg.glmm("y ~ x + (1 | g)", table(), "bernoulli", link=link) for link in ("logit", SCALED))
    for name in ("slopes", "blocks"):
        assert getattr(scales(scaled.design, scaled.family), name) == getattr(scales(logit.design, logit.family), name)
    assert scales(scaled.design, scaled.family).response == pytest.approx(K)
    assert scaled.priors.slopes[0].prior.numbers()[1] == pytest.approx(
        K * logit.priors.slopes[0].prior.numbers()[1], rel=1e-3
    )
    found = scales(model_of("softplus").design, family_of("softplus"))
    k = table()["k"]
    assert found.centre == pytest.approx(SOFTPLUS.link(k.mean()))
    assert found.response == pytest.approx(k.std() / special.expit(found.centre))


@pytest.mark.parametrize("fit", ["scaled"], indirect=True)
def test_a_scaled_link_is_the_same_model(fit: bg.Fit) -> None:
    """Everything on the scale of the response is what it is under the logit."""
    other = bg.fit("y ~ x + (1 + x | g)", table(), "bernoulli", seed=4, draws=1000, progress=False)
    mine, theirs = (one.predictions().draws for one in (fit, other))
    assert abs(mine.mean() - theirs.mean()) < 5 * theirs.std() / math.sqrt(100)


def test_a_link_of_ones_own_is_not_the_packages_of_the_same_name(tmp_path: Any) -> None:
    mine = replace(SCALED, name="logit")
    model = bg.glmm("y ~ x + (1 | g)", table(), "bernoulli", link=mine)
    assert model.family.ratio is None
    fit = model.fit(seed=1, draws=10, tune=20, chains=1, progress=False)
    with pytest.raises(StorageError, match="the link 'logit' is not the package's own"):
        fit.save(tmp_path / "fit")
    altered = replace(FAMILIES["bernoulli"], draw=lambda rng, mu, parameters, trials: 0 * mu)
    with pytest.raises(StorageError, match="the family 'bernoulli' with the link 'logit' is not the package's own"):
        bg.Fit(replace(model, family=altered), fit.draws).save(tmp_path / "fit")


def test_a_link_gives_means_that_the_family_has() -> None:
    with pytest.raises(FamilyError, match="gives means of the range 'positive', the bernoulli family has unit"):
        bg.glmm("y ~ x", table(), "bernoulli", link=SOFTPLUS)


def test_an_exposure_is_one_under_any_link_that_multiplies() -> None:
    twin = replace(LINKS["log"], name="twin")
    rows = table().assign(exposure=1.0 + table().g % 3)
    one, other = (
        bg.glmm("k ~ x + offset(log(exposure)) + (1 | g)", rows, "poisson", link=link) for link in ("log", twin)
    )
    assert one.priors.intercept.prior == other.priors.intercept.prior
    settings = {"seed": 2, "draws": 40, "tune": 60, "chains": 1, "progress": False}
    first, second = one.fit(**settings), other.fit(**settings)
    np.testing.assert_array_equal(first.posterior["beta"], second.posterior["beta"])
    assert first.draws.attrs["merged_rows"] == second.draws.attrs["merged_rows"]
    np.testing.assert_array_equal(first.conditional_effects("x").draws, second.conditional_effects("x").draws)


# -- families --------------------------------------------------------------------------------------


def lognormal_rows(n: int, y: Any, trials: Any, at: Any, ll: Any, d: Any) -> None:
    (_, log_mu, _, d_log_mu), (sigma, log_sigma, d_sigma, _) = at
    d_eta, by_sigma = d
    for i in range(n):
        r = (math.log(y[i]) - log_mu[i]) / sigma[i] + 0.5 * sigma[i]
        ll[i] = -0.5 * r * r - log_sigma[i]
        d_eta[i] = r / sigma[i] * d_log_mu[i]
        by_sigma[i] = ((r * r - 1.0) / sigma[i] - r) * d_sigma[i]


def lognormal(parameter: str = "sigma") -> Family:
    return Family(
        name="lognormal",
        link=get_link("log"),
        links=("log",),
        outcome_type="continuous",
        parameters=(Parameter(parameter, "sd of log y", "half_student_t(3, 0, 1)"),),
        rules=(Rule(lambda y, trials: y <= 0, "outcomes are above zero"),),
        variance=lambda mu, parameters, trials: mu**2 * np.expm1(parameters[parameter] ** 2),
        draw=lambda rng, mu, parameters, trials: rng.lognormal(
            np.log(mu) - parameters[parameter] ** 2 / 2, parameters[parameter]
        ),
        distribution=lambda eta, link, parameters, trials: {
            "mu": eta - parameters[parameter] ** 2 / 2,
            "sigma": parameters[parameter],
        },
        pymc="LogNormal",
        notation="LogNormal(mean {mu}, σ)",
        rows=lognormal_rows,
        constant=lambda y, trials: -np.log(y) - 0.5 * math.log(2 * math.pi),
        residual=Residual(lambda parameters: parameters[parameter] ** 2, "σ²", under=lambda link: link.multiplicative),
    )


@pytest.mark.parametrize("preset", ["default", "brms", "rstanarm"])
def test_a_lognormal_has_prior_scales_of_its_logarithm_whatever_its_parameter_is_called(preset: str) -> None:
    data = table().assign(e=lambda d: 130 * d.e)
    named, other = (
        bg.glmm("e ~ x + (1 | g)", data, lognormal(name), priors=preset).priors for name in ("sigma", "spread")
    )
    assert (named.intercept, named.slopes, named.sd) == (other.intercept, other.slopes, other.sd)
    sx = data.x.std()
    if preset != "brms":
        assert named.slopes[0].prior.numbers() == (0, pytest.approx(2.5 / sx, rel=1e-3))
    if preset == "default":
        assert named.intercept.prior.numbers() == (pytest.approx(math.log(data.e.mean()), rel=1e-3), 2.5)
        assert str(named.sd["g"][0].prior) == "half_student_t(3, 0, 2.5)"
        assert str(named.parameters["sigma"].prior) == "half_student_t(3, 0, 1)"
    if preset == "rstanarm":
        assert str(named.sd["g"][0].prior) == "exponential(1)"


def test_a_lognormal_is_fitted_and_compared_on_the_latent_scale() -> None:
    model = bg.glmm("e ~ x + (1 | g)", table(), lognormal())
    agree(model)
    fit = model.fit(seed=5, draws=300, tune=300, chains=2, progress=False)
    assert fit.summary().loc["sigma", "mean"] == pytest.approx(1, abs=0.2)
    share = fit.icc()
    sd, sigma = fit.posterior["sd_g"].values[..., 0], fit.posterior["sigma"].values
    assert share.loc["g", "median"] == pytest.approx(np.median(sd**2 / (sd**2 + sigma**2)), rel=1e-12)
    assert share.attrs["residual"] == "σ²"
    with pytest.raises(bg.BayesGLMMError, match=r"every row is a group of its own.*lognormal"):
        bg.glmm("e ~ x + (1 | row)", table().assign(row=range(120)), lognormal())


def test_a_gaussian_goes_by_what_its_parameter_is_not_by_its_name() -> None:
    gaussian = FAMILIES["gaussian"]
    (sigma,) = gaussian.parameters
    renamed = replace(
        gaussian,
        name="mine",
        parameters=(replace(sigma, name="noise"),),
        variance=lambda mu, parameters, trials: parameters["noise"] ** 2 + 0 * mu,
        residual=replace(gaussian.residual, variance=lambda parameters: parameters["noise"] ** 2),
        distribution=lambda eta, link, parameters, trials: {"mu": link.tensor(eta), "sigma": parameters["noise"]},
        draw=lambda rng, mu, parameters, trials: rng.normal(mu, parameters["noise"]),
    )
    data = table().assign(e=lambda d: 130 * d.e)
    for preset in ("default", "brms", "rstanarm"):
        one, other = (bg.glmm("e ~ x + (1 | g)", data, family, priors=preset).priors for family in (gaussian, renamed))
        assert (one.intercept, one.slopes, one.sd) == (other.intercept, other.slopes, other.sd)
        assert one.parameters["sigma"] == other.parameters["noise"]
    settings = {"seed": 1, "draws": 30, "tune": 50, "chains": 1, "progress": False}
    fits = [bg.fit("e ~ x + (1 | g)", data, family, **settings) for family in (gaussian, renamed)]
    np.testing.assert_array_equal(fits[0].posterior["beta"], fits[1].posterior["beta"])
    assert fits[0].icc().equals(fits[1].icc())
    with pytest.raises(bg.BayesGLMMError, match="every row is a group of its own"):
        bg.glmm("e ~ x + (1 | row)", data.assign(row=range(120)), renamed)
