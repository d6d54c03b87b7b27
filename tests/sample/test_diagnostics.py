import numpy as np
import pytest
import xarray as xr

from bayesglmm.sample.diagnostics import check


def draws(chains=4, n=1000, *, seed=1, **changes):
    rng = np.random.default_rng(seed)
    beta = changes.pop("beta", rng.normal(size=(chains, n, 2)))
    statistics = {
        "diverging": np.zeros((chains, n), bool),
        "energy": rng.normal(size=(chains, n)),
        "reached_max_treedepth": np.zeros((chains, n), bool),
    }
    attrs = {"interrupted": changes.pop("interrupted", 0), "chains": chains, "draws": n}
    statistics.update(changes)
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"beta": (("chain", "draw", "coef"), beta)}, coords={"coef": ["Intercept", "x"]}),
            "sample_stats": xr.Dataset({name: (("chain", "draw"), value) for name, value in statistics.items()}),
        }
    )
    tree.attrs = attrs
    return tree


def apart(chains=4, n=1000):
    beta = np.random.default_rng(2).normal(size=(chains, n, 2))
    beta[0, :, 1] += 3
    return beta


def sticky(n=1000):
    steps = np.random.default_rng(3).normal(size=(4, n, 2))
    walk = np.zeros_like(steps)
    for t in range(1, n):
        walk[:, t] = 0.98 * walk[:, t - 1] + steps[:, t]
    return walk


def flags(count, n=1000):
    marked = np.zeros((4, n), bool)
    marked.flat[:count] = True
    return marked


CASES = {
    "one chain elsewhere": (draws(beta=apart()), "r_hat", "beta[x]"),
    "slow chains": (draws(beta=sticky()), "ess_bulk", "beta["),
    "few draws": (draws(n=60), "ess_tail", "beta["),
    "divergences": (draws(diverging=flags(21)), "divergences", "21 of 4,000"),
    "tree depth": (draws(reached_max_treedepth=flags(7)), "tree_depth", "7 of 4,000"),
    "energy": (draws(energy=np.cumsum(np.random.default_rng(4).normal(size=(4, 1000)), axis=1)), "energy", "4 of 4"),
    "interrupted": (draws(interrupted=1), "interrupted", "4 × 1000"),
    "one chain": (draws(chains=1), "few_chains", "single"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_failure_is_found_named_and_advised(case):
    tree, kind, named = CASES[case]
    result = check(tree)
    (finding,) = (finding for finding in result.findings if finding.kind == kind)
    assert named in finding.message
    assert len(finding.advice) > 20
    assert not result.ok
    assert "FAILED" in result.verdict
    assert finding.message in result.verdict
    assert finding.advice in str(result)
    assert "#b00020" in result._repr_html_()


def test_good_chains_are_said_so_in_one_line():
    result = check(draws())
    assert result.ok
    assert result.verdict.startswith("sampling: no problems found (R-hat ≤ 1.00")
    assert "no divergences" in result.verdict
    assert "\n" not in str(result)


def test_the_parameters_concerned_come_worst_first():
    beta = apart()
    beta[0, :, 0] += 1
    (finding,) = (f for f in check(draws(beta=beta)).findings if f.kind == "r_hat")
    assert finding.parameters == ("beta[x]", "beta[Intercept]")


def test_few_divergences_are_a_warning_with_their_number_and_place():
    """Up to 0.5 % of the draws is no failure; where the diverged draws lie at one end of an sd, the sd is named."""
    tree = draws(diverging=flags(3))
    sd = np.random.default_rng(5).lognormal(size=(4, 1000, 2))
    sd[0, :3, 1] = 0.001
    posterior = tree["posterior"].to_dataset().assign(sd_g=(("chain", "draw", "g_coef"), sd))
    tree["posterior"] = xr.DataTree(posterior.assign_coords(g_coef=["Intercept", "x"]))
    result = check(tree)
    assert result.ok
    (warning,) = result.warnings
    assert warning.kind == "few_divergences"
    assert warning.parameters == ("sd_g[x]",)
    assert "3 of 4,000 draws diverged, where sd_g[x] is small (median 0.001, of all draws " in result.verdict
    assert "FAILED" not in result.verdict
    assert warning.advice in str(result)


def test_the_findings_are_a_table_and_a_text():
    checked = check(draws(beta=apart(), diverging=flags(200)))
    table = checked.table
    assert list(table.columns) == ["severity", "message", "advice", "parameters"]
    assert list(table.index) == [finding.kind for finding in checked.findings]
    assert set(table["severity"]) == {"failure"}
    assert checked.to_text() == str(checked) == repr(checked)
    assert all(message in checked.to_text() for message in table["message"])
    assert check(draws()).table.empty


def test_a_posterior_that_never_moved_fails_without_an_effective_size():
    found = check(draws(beta=np.ones((4, 1000, 2))))
    assert {finding.kind for finding in found.findings} >= {"constant"}
    assert not found.ok
    assert "FAILED" in found.verdict
