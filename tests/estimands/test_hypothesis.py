"""Hypotheses about parameters: against the draws by hand; every printed name is read; nothing is evaluated."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from handmade import hand_made, seizure_fit, seizure_like
from hypothesis import given, settings
from hypothesis import strategies as st

import bayesglmm as bg
from bayesglmm.common.names import factors
from bayesglmm.errors import BayesGLMMError, FormulaError, OptionError
from bayesglmm.estimands.hypothesis_names import ParameterNames, parameter_draws, parameters
from bayesglmm.estimands.hypothesis_text import evaluated, read_statement
from bayesglmm.estimands.transforms import TRANSFORMS
from bayesglmm.faces.spec import read_spec

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture(scope="module")
def fit() -> bg.Fit:
    return seizure_fit(draws=200)


@pytest.fixture(scope="module")
def draws(fit: bg.Fit) -> dict[str, np.ndarray]:
    return parameter_draws(fit.model, fit.posterior, parameters(fit.model))


BY_HAND = {
    "trt + trt:time < 0": lambda d: (d["beta[trt]"] + d["beta[trt:time]"], "<", 0.0),
    "trt + time:trt <= 0.1": lambda d: (d["beta[trt]"] + d["beta[trt:time]"], "<", 0.1),
    "exp(trt) > 1.5": lambda d: (np.exp(d["beta[trt]"]), ">", 1.5),
    "0 < beta[time]": lambda d: (d["beta[time]"], ">", 0.0),
    "sd_id[Intercept] > 1.05*sd_id[time]": lambda d: (d["sd_id[Intercept]"] - 1.05 * d["sd_id[time]"], ">", 0.0),
    "sd_id[time]^2 / (sd_id[time]^2 + sd_id[Intercept]^2) > .5": lambda d: (
        d["sd_id[time]"] ** 2 / (d["sd_id[time]"] ** 2 + d["sd_id[Intercept]"] ** 2),
        ">",
        0.5,
    ),
    "corr_id[time, Intercept] > 1e-1": lambda d: (d["corr_id[Intercept,time]"], ">", 0.1),
    "-(Intercept - 2*trt)/3 >= -0.2": lambda d: (-(d["beta[Intercept]"] - 2 * d["beta[trt]"]) / 3, ">", -0.2),
    "abs(trt) < 2^-1 - 0.3": lambda d: (np.abs(d["beta[trt]"]), "<", 0.2),
}


@pytest.mark.parametrize("text", BY_HAND)
def test_a_hypothesis_is_what_the_draws_say(fit: bg.Fit, draws: dict[str, np.ndarray], text: str) -> None:
    quantity, sign, null = BY_HAND[text](draws)
    found = fit.hypothesis(text, rope=0.05)
    row = found.table.loc[text]
    np.testing.assert_allclose(found.draws.values.reshape(-1), quantity, rtol=1e-14)
    low, middle, high = np.quantile(quantity, [0.025, 0.5, 0.975])
    np.testing.assert_allclose(row[["mean", "sd"]].astype(float), [quantity.mean(), quantity.std(ddof=1)])
    np.testing.assert_allclose(row[["lower", "median", "upper"]].astype(float), [low, middle, high])
    holds = (quantity > null).mean() if sign == ">" else (quantity < null).mean()
    assert 0 < holds < 1
    assert row["probability"] == holds
    assert row["odds"] == pytest.approx(holds / (1 - holds))
    assert row["probability_positive"] == (quantity > null).mean()
    assert row["null"] == pytest.approx(null)
    assert row["inside_rope"] == ((quantity >= null - 0.05) & (quantity <= null + 0.05)).mean()
    assert np.isnan(row["bayes_factor"])


def test_several_have_the_names_they_are_given(fit: bg.Fit, draws: dict[str, np.ndarray]) -> None:
    found = fit.hypothesis({"benefit": "trt:time < 0", "baseline": "trt = 0", "rate": "exp(trt)"}, ci_prob=0.8)
    assert list(found.table.index) == list(found.draws["hypothesis"].values) == ["benefit", "baseline", "rate"]
    assert found.table.attrs["ci_prob"] == 0.8
    assert found.table.loc["benefit", "upper"] == np.quantile(draws["beta[trt:time]"], 0.9)
    assert found.table["probability"].isna().tolist() == [False, True, True]
    assert found.table.loc["rate", ["null", "probability_positive"]].isna().all()
    assert found.table["estimate"].tolist() == ["beta[trt:time]", "beta[trt]", "exp(beta[trt])"]
    text = " ".join(str(found).split())
    assert "conditional on the random effects (of the typical subject, b = 0), on the scale of the log link" in text
    assert "80 % equal-tailed intervals, whatever the hypothesis" in text
    assert "Bayes factor only where the prior odds are even" in text
    assert list(fit.hypothesis(["trt > 0", "time > 0"]).table.index) == ["trt > 0", "time > 0"]


def test_where_all_draws_agree_odds_are_bounded(fit: bg.Fit) -> None:
    """Hand-made draws are independent: the effective number of draws is near 800, the bound near 800 / 3 − 1."""
    table = fit.hypothesis(["sd_id[time] > 0.4", "sd_id[time] < 0.4", "trt > 0"]).table
    assert table["probability"].tolist()[:2] == [1.0, 0.0]
    assert table["odds_bound"].tolist() == ["at least", "at most", ""]
    assert 200 < table["odds"].iloc[0] <= 800 / 3 - 1
    assert table["odds"].iloc[1] == pytest.approx(1 / table["odds"].iloc[0])
    text = str(fit.hypothesis("sd_id[time] > 0.4"))
    assert "> 0.99" in text
    assert "There are 800 draws" in text


def test_a_region_of_equivalence_has_ends_or_a_width(fit: bg.Fit, draws: dict[str, np.ndarray]) -> None:
    trt = draws["beta[trt]"]
    asked = {"a": "trt > 0.1", "b": "trt", "c": "time > 0"}
    table = fit.hypothesis(asked, rope={"a": 0.2, "b": (-0.1, 0.3)}).table
    np.testing.assert_allclose(table.loc["a", ["rope_lower", "rope_upper"]].astype(float), [-0.1, 0.3])
    assert table.loc["a", "inside_rope"] == table.loc["b", "inside_rope"] == ((trt >= -0.1) & (trt <= 0.3)).mean()
    assert np.isnan(table.loc["c", "inside_rope"])
    assert "inside_rope" not in fit.hypothesis(asked).table
    for rope in (0, -1, (1, 0), (1,), "wide", True):
        with pytest.raises(OptionError, match="rope="):
            fit.hypothesis(asked, rope=rope)
    with pytest.raises(OptionError, match="rope has 'd', which is no hypothesis here"):
        fit.hypothesis(asked, rope={"d": 1})


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_moves_draws_and_null_alike(fit: bg.Fit, draws: dict[str, np.ndarray], name: str) -> None:
    sd = draws["sd_id[time]"]
    row = fit.hypothesis("sd_id[time] > 0.55", transform=name).table.iloc[0]
    assert row["probability"] == (sd > 0.55).mean()
    assert row["mean"] == pytest.approx(TRANSFORMS[name](sd).mean())
    assert row["null"] == pytest.approx(TRANSFORMS[name](np.array([0.55]))[0])
    assert row["estimate"] == f"{name} of sd_id[time]"


def test_a_function_of_the_users_turns_or_drops_a_hypothesis(fit: bg.Fit, draws: dict[str, np.ndarray]) -> None:
    sd, trt = draws["sd_id[time]"], draws["beta[trt]"]
    row = fit.hypothesis("sd_id[time] > 0.55", transform=lambda sd: 1 / sd).table.iloc[0]
    assert (row["relation"], row["null"], row["probability"]) == ("<", 1 / 0.55, (1 / sd < 1 / 0.55).mean())
    row = fit.hypothesis("trt > 0.1", transform=np.square).table.iloc[0]
    assert row["mean"] == pytest.approx(np.square(trt).mean())
    assert np.isnan(row["probability"])
    for transform, said in (("exo", "did you mean 'exp'"), (3, "neither a function"), (np.mean, "returns shape")):
        with pytest.raises(OptionError, match=said):
            fit.hypothesis("trt > 0", transform=transform)
    with pytest.raises(OptionError, match=r"transform=log is not a number in \d+"):
        fit.hypothesis("trt > 0.1", transform="log")


def odd_data() -> pd.DataFrame:
    rng, n = np.random.default_rng(1), 240
    treat = np.array(["Usual", "High dose 40 mg", "a:b", "[T.z]", "x] > 0"])
    return pd.DataFrame(
        {
            "y": rng.poisson(3, n),
            "body weight": rng.normal(size=n),
            "x": rng.normal(size=n),
            "age": rng.uniform(20, 60, n),
            "treat": treat[rng.integers(0, 5, n)],
            "g 1": np.arange(n) // 12,
            "h": np.arange(n) % 6,
            "sex": rng.integers(0, 2, n) == 1,
            "phi": rng.normal(size=n),
        }
    )


FORMULAS = {
    "odd names": "y ~ `body weight`*x + log(age) + age + I(x^2) + sex + (1 + x || `g 1`)",
    "levels with spaces and brackets": 'y ~ C(treat, Treatment("Usual"))*x + (1 | h:treat) + (1 | h) + (0 + treat | h)',
    "several columns of a term": "y ~ 0 + poly(x, 2) + bs(age, df=4) + treat:x + (0 + x + log(age) | h)",
    "all interactions": "y ~ (x + age + treat)^2 + (1 | `g 1`:h)",
    "three factors": "y ~ x*age*sex + (1 + scale(x) + age | C(treat)) + (1 | h)",
    "no coefficients": "y ~ 0 + (1 | h)",
    "a sum coding": "y ~ C(treat, Sum()) + `body weight`:sex",
}


def printed(model: bg.Model) -> tuple[bg.Fit, list[str]]:
    fit = hand_made(model, chains=2, draws=20)
    return fit, list(fit.summary().index)


@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS)
def test_every_name_that_is_printed_is_read(formula: str) -> None:
    fit, names = printed(bg.glmm(formula, odd_data(), "negative_binomial"))
    check_names(fit, names)
    labels = fit.coefficients().link_draws["coefficient"].values if fit.model.design.coef else []
    function = "log(age)" if "age" in labels and "log(age)" in labels else ""
    for label in labels:
        if label != function:
            assert fit.hypothesis(f"2*{label} > 0").table["estimate"].item() == f"2 * beta[{label}]"


STUDIES = {
    "cbpp": ("p(incidence, size) ~ C(period) + (1 | herd)", "binomial"),
    "culcita": ("predation ~ C(ttt) + (1 | block)", "bernoulli"),
    "endometrial": ("HG ~ NV + PI + EH", "bernoulli"),
    "sleepstudy": ("Reaction ~ Days + (Days | Subject)", "gaussian"),
}


@pytest.mark.parametrize("study", bg.datasets.names())
def test_every_name_of_a_study_is_read(study: str) -> None:
    if study in STUDIES:
        formula, family = STUDIES[study]
        model = bg.glmm(formula, bg.datasets.load(study), family)
    else:
        model = read_spec(MODELS / f"{study}.toml").model()
    check_names(*printed(model))


def check_names(fit: bg.Fit, names: list[str]) -> None:
    """Each name is its own draws, alone, in arithmetic, in backticks, its factors in any order."""
    known, values = parameters(fit.model), fit.posterior
    assert list(known) == names
    for name, parameter in known.items():
        array = values[parameter.variable].values
        expected = array[..., parameter.position].ravel() if array.ndim == 3 else array.ravel()
        spellings = [name] if "`" in name else [name, f"`{name}`"]
        if len(parameter.columns) == 1:
            head, parts = name.partition("[")[0], factors(parameter.columns[0])
            spellings += [f"{head}[{':'.join(order)}]" for order in permutations(parts)]
        elif parameter.columns:
            spellings.append(f"{parameter.variable}[{', '.join(reversed(parameter.columns))}]")
        for spelling in spellings:
            found = fit.hypothesis([f"{spelling}", f"1 - {spelling}*2<{spelling}"])
            np.testing.assert_array_equal(found.draws.values[..., 0].ravel(), expected)
            np.testing.assert_allclose(found.draws.values[..., 1].ravel(), 1 - 3 * expected)


FORGIVING = {
    "treat[High dose 40 mg] > 0": 'beta[C(treat, Treatment("Usual"))[T.High dose 40 mg]]',
    "x × treat[High dose 40 mg]": 'beta[C(treat, Treatment("Usual"))[T.High dose 40 mg]:x]',
    "coef[treat[a:b] : x]": 'beta[C(treat, Treatment("Usual"))[T.a:b]:x]',
    "treat[x] > 0] > 0": 'beta[C(treat, Treatment("Usual"))[T.x] > 0]]',
    'sd["h"]["Intercept"]': "sd_h[Intercept]",
    "sd_h": "sd_h[Intercept]",
    "sd_treat:h[Intercept]": "sd_h:treat[Intercept]",
    "correlation[h_2][treat[a:b], treat[Usual]]": "corr_h_2[treat[Usual],treat[a:b]]",
    "phi": "phi",
    "family[phi]": "phi",
}


@pytest.mark.parametrize("text", FORGIVING)
def test_a_name_may_be_written_in_other_ways(text: str) -> None:
    model = bg.glmm(FORMULAS["levels with spaces and brackets"], odd_data(), "negative_binomial")
    statement = read_statement(text, ParameterNames(model))
    assert [node.name for node in [statement.quantity]] == [FORGIVING[text]]


REFUSED = {
    "trtt < 0": "trtt is no parameter of this model; did you mean 'trt'",
    "trt:age < 0": "trt:age is no parameter of this model",
    "sd_id > 0": r"sd_id is no parameter .* did you mean 'sd_id\[time\]'",
    "sd_id[trt] > 0": r"sd_id\[trt\] is no parameter .* known: sd_id\[Intercept\], sd_id\[time\]",
    "b_id[1] > 0": r"random effects of groups stand in fit.random_effects\(\)",
    "phi > 0": "phi is no parameter",
    "sin(trt) > 0": "sin is no parameter of this model; .*functions: log, log2",
    "exp(trt, time) > 0": r"exp\(\) takes one argument",
    "exp trt": "exp is no parameter",
    "trt": None,
    "": "the hypothesis is empty",
    "1 < 2": "names nothing to estimate",
    "trt <": "something is missing here",
    "trt < 0 < time": "one relation at a time",
    "trt != 0": "always holds of a continuous quantity",
    "trt > 1/0": "is not a finite number",
    "trt > 'a'": "quotation mark|no parameter",
    "trt time": "an operator is missing",
    "2trt": "an operator is missing",
    "(trt > 0": "this parenthesis is never closed",
    "trt[1] > 0": r"trt\[1\] is no parameter",
    "trt; time": "has no meaning in a hypothesis",
    "log(trt) > 0": "is not a number in",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_read_is_refused(fit: bg.Fit, text: str) -> None:
    if REFUSED[text] is None:
        assert fit.hypothesis(text).table["null"].isna().all()
        return
    with pytest.raises(BayesGLMMError, match=REFUSED[text]):
        fit.hypothesis(text)


def test_other_hypotheses_are_refused(fit: bg.Fit) -> None:
    for asked, said in (([], "no hypothesis"), (3, "not int"), (["trt", 3], "not int"), (["trt", "trt"], "more than")):
        with pytest.raises(OptionError, match=said):
            fit.hypothesis(asked)


def test_a_name_of_two_parameters_is_refused() -> None:
    fit = hand_made(bg.glmm("y ~ phi + log(age) + age + treat", odd_data(), "negative_binomial"), draws=20)
    with pytest.raises(FormulaError, match=r"phi may be beta\[phi\] or family\[phi\]; write which"):
        fit.hypothesis("phi > 0")
    np.testing.assert_array_equal(fit.hypothesis("family[phi]").draws.values[..., 0], fit.posterior["phi"])
    beta = fit.posterior["beta"]
    np.testing.assert_array_equal(fit.hypothesis("beta[phi]").draws.values[..., 0], beta.sel(coef="phi"))
    with pytest.raises(FormulaError, match=r"log\(age\) is a coefficient, and a function of beta\[age\]"):
        fit.hypothesis("log(age) > 0")
    np.testing.assert_array_equal(fit.hypothesis("beta[log(age)]").draws.values[..., 0], beta.sel(coef="log(age)"))
    assert fit.hypothesis("exp(beta[age]) > 0").table["estimate"].item() == "exp(beta[age])"


ATTACKS = (
    "__import__('os').system('true')",
    "trt.__class__ > 0",
    "(lambda: 0)() > trt",
    "[x for x in (1,)][0] < trt",
    "trt if trt else time",
    "open('/etc/passwd') < trt",
    "exp.__globals__ < trt",
    "eval('1') < trt",
    "trt := 3",
    "f'{trt}' < 0",
    "`__import__`('os') < trt",
    "beta[__import__('os')] < 0",
    "trt @ time > 0",
    "9**9**9**9 < trt",
    "(" * 100 + "trt" + ")" * 100,
    "-" * 3000 + "trt",
    "trt" + " + trt" * 3000,
)


@pytest.mark.parametrize("text", ATTACKS, ids=range(len(ATTACKS)))
def test_nothing_is_evaluated(fit: bg.Fit, text: str) -> None:
    with pytest.raises(BayesGLMMError):
        fit.hypothesis(text)


NAMES = ParameterNames(seizure_fit(draws=20).model)


@given(st.text(alphabet="trtime: +-*/^()<>=.0129`[]_sdexplog,×", max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_wholly_or_refused(text: str) -> None:
    try:
        statement = read_statement(text, NAMES)
    except BayesGLMMError:
        return
    assert statement.text == text
    assert statement.null is None or np.isfinite(statement.null)


def trees() -> st.SearchStrategy[str]:
    leaves = st.sampled_from(["trt", "time:trt", "sd_id[time]", "1.5", "2", "corr_id[Intercept,time]"])
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
            inner.map(lambda text: f"-{text}"),
            inner.map(lambda text: f"abs({text})"),
        ),
        max_leaves=8,
    )


@given(trees())
@settings(max_examples=100, deadline=None)
def test_arithmetic_is_that_of_numpy(text: str) -> None:
    values = {name: np.random.default_rng(1).normal(size=5) + j for j, name in enumerate(NAMES.known)}
    python = text
    scope = {"abs": np.abs, "A": values["beta[trt:time]"], "B": values["beta[trt]"], "C": values["sd_id[time]"]}
    scope["D"] = values["corr_id[Intercept,time]"]
    for written, short in (("time:trt", "A"), ("sd_id[time]", "C"), ("corr_id[Intercept,time]", "D"), ("trt", "B")):
        python = python.replace(written, short)
    if not set(python) & set("ABCD"):
        return
    expected = eval(python, {"__builtins__": {}}, scope)
    statement = read_statement(text, NAMES)
    np.testing.assert_allclose(evaluated(statement.quantity, values, text), expected, rtol=1e-12, atol=1e-12)


def test_without_groups_and_of_the_prior_alone_it_says_so() -> None:
    model = bg.glmm("event ~ trt*time", seizure_like(), "bernoulli")
    bare = hand_made(model, draws=60)
    text = str(bare.hypothesis("trt > 0"))
    assert "Coefficients are on the scale of the logit link" in text
    assert "conditional" not in text
    tree = bare.draws.copy()
    tree.attrs = {**tree.attrs, "prior_only": 1}
    alone = bg.Fit(model, tree).hypothesis(["trt > 0", "trt = 0"])
    assert "every probability is a prior one" in str(alone)
    assert np.isnan(alone.table["bayes_factor"]).all()
    assert "from the prior alone" in alone.table["bayes_factor_source"].iloc[1]


def test_a_fit_of_the_prior_has_the_priors_probabilities() -> None:
    model = bg.glmm("event ~ trt + (1 | id)", seizure_like(), "bernoulli", priors={"slopes": "normal(1, 2)"})
    prior = model.fit(prior_only=True, draws=1000, seed=2, progress=False)
    table = prior.hypothesis(["trt > 0", "trt = 0"]).table
    assert table["probability"].iloc[0] == pytest.approx(0.6915, abs=0.03)  # Φ(1/2)
    assert np.isnan(table["bayes_factor"]).all()


def test_the_picture_shows_where_a_hypothesis_holds(fit: bg.Fit) -> None:
    asked = {"a": "trt > 0.1", "b": "time = 0", "c": "exp(trt)", "d": "sd_id[time] > 0.4"}
    figure = fit.hypothesis(asked, rope={"b": 0.1}).plot()
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert len(panels) == 4
    first = panels[0]
    bars = {name: [bar for bar in first.patches if bar.get_gid() == name] for name in ("holds", "other")}
    assert min(bar.get_x() for bar in bars["holds"]) == pytest.approx(0.1)
    assert max(bar.get_x() + bar.get_width() for bar in bars["other"]) == pytest.approx(0.1)
    total = sum(bar.get_height() * bar.get_width() for bar in first.patches)
    assert total == pytest.approx(1, abs=0.01)
    (null,) = [line for line in first.get_lines() if line.get_gid() == "null"]
    assert null.get_xdata()[0] == pytest.approx(0.1)
    assert not [line for line in panels[2].get_lines() if line.get_gid() == "null"]
    assert panels[0].get_xlabel() == "beta[trt]"
    assert "conditional on the random effects" in figure.get_label()
    with pytest.raises(OptionError, match="13 hypotheses are too many"):
        fit.hypothesis([f"trt > {j}" for j in range(13)]).plot()
