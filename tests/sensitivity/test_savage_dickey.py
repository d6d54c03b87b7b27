"""Bayes factors of points against ratios of marginal likelihoods and densities by quadrature, never by the draws."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import integrate, signal, special, stats

import bayesglmm as bg
from bayesglmm.estimands.hypothesis_names import ParameterNames, parameters
from bayesglmm.estimands.hypothesis_text import read_statement
from bayesglmm.sensitivity.linear_density import prior_at
from bayesglmm.sensitivity.point_null import Point, point_of

GROUPS, EACH = 8, 6
INDEX = np.repeat(np.arange(GROUPS), EACH)
PRIORS = {"intercept": "normal(5, 5)", "slopes": "normal(0, 2)", "sd": "half_normal(1.5)", "sigma": "exponential(1)"}


def data() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    x, w = rng.normal(1, 1, len(INDEX)), rng.normal(size=len(INDEX))
    y = 5 + 0.6 * x + 0.2 * w + 0.8 * rng.normal(size=GROUPS)[INDEX] + 1.5 * rng.normal(size=len(INDEX))
    return pd.DataFrame({"y": y, "x": x, "w": w, "g": INDEX})


@pytest.fixture(scope="module")
def fit() -> bg.Fit:
    return bg.fit("y ~ x + w + (1 | g)", data(), priors=PRIORS, seed=1, draws=2000, progress=False)


class Exact:
    """The posterior by quadrature over both sds, everything else normal given them: y ~ N(Xm, σ²I + τ²ZZᵀ + XVXᵀ)."""

    def __init__(self) -> None:
        frame = data()
        self.y = frame["y"].to_numpy()
        x = frame[["x", "w"]].to_numpy()
        self.means = x.mean(axis=0)
        self.x = np.column_stack([np.ones(len(x)), x - self.means])  # the intercept of centred columns
        self.m, self.v = np.array([5.0, 0.0, 0.0]), np.diag([25.0, 4.0, 4.0])
        node, weight = np.polynomial.legendre.leggauss(24)
        self.sigma, self.w_sigma = 0.6 + 1.4 * (node + 1), 1.4 * weight
        self.tau, self.w_tau = 1e-6 + 2.5 * (node + 1), 2.5 * weight

    def given(self, tau: float, sigma: float, x: np.ndarray, m: np.ndarray, v: np.ndarray) -> tuple[float, ...]:
        """log p(y | sds), and the mean and covariance of β given y and the sds."""
        same = (INDEX[:, None] == INDEX).astype(float)
        s = sigma**2 * np.eye(len(self.y)) + tau**2 * same + x @ v @ x.T
        solved = np.linalg.solve(s, np.column_stack([self.y - x @ m, x @ v]))
        log = -0.5 * ((self.y - x @ m) @ solved[:, 0] + np.linalg.slogdet(s)[1])
        return log, m + v @ x.T @ solved[:, 0], v - v @ x.T @ solved[:, 1:]

    def log_weights(self) -> tuple[np.ndarray, np.ndarray]:
        prior = stats.halfnorm(scale=1.5).logpdf(self.tau)[:, None] - self.sigma
        return prior, np.log(self.w_tau)[:, None] + np.log(self.w_sigma)

    def log_evidence(self, x: np.ndarray, m: np.ndarray, v: np.ndarray) -> float:
        prior, weights = self.log_weights()
        values = [[self.given(tau, sigma, x, m, v)[0] for sigma in self.sigma] for tau in self.tau]
        return float(special.logsumexp(np.array(values) + prior + weights))

    def log_density(self, a: np.ndarray, point: float) -> float:
        """The posterior density of aᵀβ (centred) at a point."""
        prior, weights = self.log_weights()
        logs, densities = np.empty(prior.shape), np.empty(prior.shape)
        for i, tau in enumerate(self.tau):
            for j, sigma in enumerate(self.sigma):
                logs[i, j], mean, covariance = self.given(tau, sigma, self.x, self.m, self.v)
                densities[i, j] = stats.norm(a @ mean, np.sqrt(a @ covariance @ a)).logpdf(point)
        logs += prior + weights
        return float(special.logsumexp(logs + densities) - special.logsumexp(logs))

    def log_ratio_of_sd(self, which: str, point: float) -> float:
        """Posterior over prior density of an sd at a point: p(y | sd = point) / p(y)."""
        prior_tau, prior_sigma = stats.halfnorm(scale=1.5).logpdf(self.tau), -self.sigma
        args = (self.x, self.m, self.v)
        if which == "tau":
            at = [self.given(point, sigma, *args)[0] for sigma in self.sigma]
            here = special.logsumexp(np.array(at) + prior_sigma, b=self.w_sigma)
        else:
            at = [self.given(tau, point, *args)[0] for tau in self.tau]
            here = special.logsumexp(np.array(at) + prior_tau, b=self.w_tau)
        return float(here) - self.log_evidence(*args)


@pytest.fixture(scope="module")
def exact() -> Exact:
    return Exact()


def close(table: pd.DataFrame, name: str, log_ratio: float) -> None:
    row = table.loc[name]
    error = row["bayes_factor_mcse"] / row["bayes_factor"]
    assert error < 0.2, row["bayes_factor_source"]
    assert abs(np.log(row["bayes_factor"]) - log_ratio) < 4 * error + 0.005, (row["bayes_factor"], np.exp(log_ratio))


def test_a_slope_at_zero_is_the_evidence_of_the_model_without_it(fit: bg.Fit, exact: Exact) -> None:
    whole = exact.log_evidence(exact.x, exact.m, exact.v)
    without = exact.log_evidence(exact.x[:, [0, 2]], exact.m[[0, 2]], exact.v[np.ix_([0, 2], [0, 2])])
    equal = np.column_stack([np.ones(len(exact.y)), exact.x[:, 1] + exact.x[:, 2]])  # x = w: one slope, N(0, 2/√2)
    together = exact.log_evidence(equal, exact.m[:2], np.diag([25.0, 2.0]))
    table = fit.hypothesis({"x": "x = 0", "same": "exp(2*(x - 0)) = 1", "combined": "x - w = 0"}).table
    close(table, "x", without - whole)
    close(table, "combined", together - whole)
    assert table.loc["x", "bayes_factor"] == table.loc["same", "bayes_factor"]
    assert table.loc["x", "bayes_factor_source"] == "density along a line, exact prior density"
    assert table.loc["combined", "bayes_factor_source"].endswith("exact prior density (a sum of normals)")


FAR = {"x = -0.6": ([0, 1, 0], -0.6), "x + w = 3": ([0, 1, 1], 3.0), "Intercept = 2.5": ([1, 0, 0], 2.5)}


@pytest.mark.parametrize("text", FAR)
def test_densities_far_from_the_draws(fit: bg.Fit, exact: Exact, text: str) -> None:
    """Where few draws are or none; the raw intercept is that of centred columns less xᵀβ at their means."""
    raw, point = np.array(FAR[text][0], dtype=float), FAR[text][1]
    a = raw - raw[0] * np.array([0.0, *exact.means])
    prior = stats.norm(a @ exact.m, np.sqrt(a @ exact.v @ a)).logpdf(point)
    found = fit.hypothesis(text)
    beyond = float((found.draws < point).mean())
    assert min(beyond, 1 - beyond) < 0.01
    close(found.table, text, exact.log_density(a, point) - prior)


def test_sds_are_those_of_the_quadrature_and_at_zero_that_of_zero_sd(fit: bg.Fit, exact: Exact) -> None:
    table = fit.hypothesis(["sd_g = 0.4", "sigma = 1.2", "2*sigma = 4", "sd_g[Intercept] = 0"]).table
    close(table, "sd_g = 0.4", exact.log_ratio_of_sd("tau", 0.4))
    close(table, "sigma = 1.2", exact.log_ratio_of_sd("sigma", 1.2))
    close(table, "2*sigma = 4", exact.log_ratio_of_sd("sigma", 2.0))
    close(table, "sd_g[Intercept] = 0", exact.log_ratio_of_sd("tau", 0.0))
    row = fit.zero_sd().table.loc["sd_g[Intercept]"]
    assert table.loc["sd_g[Intercept] = 0", "bayes_factor"] == row["ratio"]
    assert table.loc["sd_g[Intercept] = 0", "bayes_factor_source"] == f"fit.zero_sd(): {row['source']}"


def test_priors_that_are_not_normal_are_averaged_over_prior_draws() -> None:
    """Against the integral over the other component."""
    priors = {"x": "student_t(3, 0, 1)", "w": "laplace(0, 0.5)", "intercept": "cauchy(0, 2)"}
    model = bg.glmm("y ~ x + w", data(), priors=priors)
    log, error, source = prior_at(model, np.array([0.0, 1.0, -2.0]), 0.7)
    expected = integrate.quad(lambda w: stats.t(3).pdf(0.7 + 2 * w) * stats.laplace(0, 0.5).pdf(w), -30, 30, points=[0])
    assert error < 0.01
    assert abs(log - np.log(expected[0])) < 4 * error
    assert source == "prior density averaged over 20,000 prior draws"
    log, error, source = prior_at(model, np.array([0.0, 0.0, 3.0]), 0.6)
    assert (log, error) == (pytest.approx(stats.laplace(0, 1.5).logpdf(0.6)), 0)
    log, error, _ = prior_at(model, np.array([1.0, 0.0, 0.0]), 1.0)
    mean_x, mean_w = data()[["x", "w"]].mean()
    grid = np.linspace(-60, 60, 96_001)  # Intercept = α − x̄ β_x − w̄ β_w
    of_x = stats.t(3).pdf(grid / mean_x) / abs(mean_x)
    of_w = stats.laplace(0, 0.5).pdf(grid / mean_w) / abs(mean_w)
    both = signal.fftconvolve(of_x, of_w, "same") * (grid[1] - grid[0])
    assert abs(log - np.log(np.trapezoid(stats.cauchy(0, 2).pdf(1 + grid) * both, grid))) < 4 * error + 0.002


def test_a_flat_prior_has_no_bayes_factor() -> None:
    model = bg.glmm("y ~ x + w", data(), priors="brms")
    assert "improper" in str(prior_at(model, np.array([0.0, 1.0, 0.0]), 0.0))


def test_a_correlation_is_distributed_as_its_draws(seizure_fit: bg.Fit) -> None:
    """The ratio times the exact prior density, Beta(2, 2) on (−1, 1), is the share of draws near the point."""
    draws = seizure_fit.posterior["corr_id"].values.ravel()
    points = [-0.2, 0.0, 0.15, 0.4]
    table = seizure_fit.hypothesis([f"corr_id[Intercept,time] = {point}" for point in points]).table
    for point, (_, row) in zip(points, table.iterrows(), strict=True):
        density = row["bayes_factor"] * stats.beta(2, 2, -1, 2).pdf(point)
        share = np.mean(np.abs(draws - point) < 0.04)
        binomial = np.sqrt((1 - share) / share / (len(draws) / 4))  # an effective draw in four
        error = row["bayes_factor_mcse"] / row["bayes_factor"]
        assert abs(np.log(density * 0.08 / share)) < 4 * np.hypot(binomial, error)


def test_where_no_data_are_the_ratio_of_a_correlation_is_one() -> None:
    """Averaged over effects drawn from their prior, p(ρ | b) is p(ρ), for each of three correlations."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(60, 3)), columns=["y", "x", "w"]).assign(g=np.arange(60) // 10)
    model = bg.glmm("y ~ x + w + (1 + x + w | g)", frame, priors={"correlation": "lkj(1.5)"})
    prior = model.prior_predictive(draws=500, seed=1)["prior"].to_dataset()
    fit = bg.Fit(model, xr.DataTree.from_dict({"posterior": prior}))
    names = [name for name, each in parameters(model).items() if each.kind == "correlation"]
    table = fit.hypothesis([f"{name} = {point}" for name in names for point in (-0.7, 0.1)]).table
    assert len(table) == 6
    for name in table.index:
        close(table, name, 0.0)


NONE = {
    "x < 0": "only for an equality",
    "x": "only for an equality",
    "sd_g = sigma": "would depend on how it is written",
    "x / w = 1": "would depend on how it is written",
    "x^2 = 0": "would depend on how it is written",
    "x + sigma = 1": "would depend on how it is written",
    "sd_g = -1": "never negative",
    "sigma = -1": "sigma is above zero",
    "exp(x) = -1": "no value of the parameters",
    "x - x = 0": "no value of the parameters",
    "x = 1e200": "0 in double precision",
}


@pytest.mark.parametrize("text", NONE)
def test_where_there_is_none_it_is_said_why(fit: bg.Fit, text: str) -> None:
    row = fit.hypothesis(text).table.iloc[0]
    assert np.isnan(row["bayes_factor"])
    assert NONE[text] in row["bayes_factor_source"]


POINTS = {
    "2*x - 3 = w/2 + 1": ({"beta[x]": 2.0, "beta[w]": -0.5}, 4.0),
    "log(exp(x)) = 2": ({"beta[x]": 1.0}, 2.0),
    "5 = 3 - -(x + I(w))": ({"beta[x]": 1.0, "beta[w]": 1.0}, 2.0),
    "1 - exp(-x) = 0.5": ({"beta[x]": -1.0}, np.log(0.5)),
    "sqrt(4*sigma) = 3": ({"sigma": 1.0}, 2.25),
    "2*log2(sigma)/3 + 1 = 3": ({"sigma": 1.0}, 8.0),
    "log1p(sigma) = 1": ({"sigma": 1.0}, np.e - 1),
    "log10(sigma) = -1": ({"sigma": 1.0}, 0.1),
}


@pytest.mark.parametrize("text", POINTS)
def test_a_point_is_found_behind_functions(text: str) -> None:
    model = bg.glmm("y ~ x + w", data())
    point = point_of(read_statement(text, ParameterNames(model)), parameters(model))
    assert isinstance(point, Point)
    (weights, value) = POINTS[text]
    scale = next(iter(weights.values())) / next(iter(point.weights.values()))
    assert {name: pytest.approx(scale * weight) for name, weight in point.weights.items()} == weights
    assert scale * point.value == pytest.approx(value)
