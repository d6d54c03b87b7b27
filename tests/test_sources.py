"""Numbers of other software that specs and notebooks type in are those of the stored references, to their digits."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from conftest import REFERENCES, reference

ROOT = Path(__file__).parents[1]
NUMBER = re.compile(r"-?\d+\.\d+")


def comments(study: str) -> str:
    """Return the comments of a spec in one piece."""
    lines = (ROOT / "models" / f"{study}.toml").read_text(encoding="utf-8").splitlines()
    return " ".join(line.lstrip("#").strip() for line in lines if line.startswith("#"))


def typed(text: str) -> list[str]:
    return NUMBER.findall(text)


def absent(values: list[float], text: str) -> list[float]:
    """Return the values that the text does not have, at any number of digits from two on."""
    numbers = typed(text)
    return [value for value in values if not any(_is(number, value) for number in numbers)]


def _is(number: str, value: float) -> bool:
    digits = len(number.partition(".")[2])
    return digits >= 2 and abs(float(number) - value) <= 0.5000001 * 10.0**-digits


@pytest.mark.parametrize("study", ["seizure", "crossover", "toenail", "ohio"])
def test_maximum_likelihood_in_a_spec_is_that_of_its_reference(study: str) -> None:
    found, text = reference(f"{study}_ml"), comments(study)
    assert f"tests/references/{study}_ml.json" in text
    assert not absent([*found["fixef"].values(), *found["se"].values(), *found["re_sd"], found["logLik"]], text)


@pytest.mark.parametrize("study", ["seizure", "crossover", "toenail"])
def test_a_posterior_in_a_spec_is_that_of_its_reference(study: str) -> None:
    found, text = reference(f"{study}_posterior"), comments(study)
    assert f"tests/references/{study}_posterior.json" in text
    assert found["sampler"]["engine"] in text
    assert not absent([one[figure] for one in found["params"].values() for figure in ("mean", "sd")], text)


def test_what_glmer_says_in_a_spec_is_what_it_said() -> None:
    found = json.loads((REFERENCES / "glmer.json").read_text(encoding="utf-8"))
    for fit in found["fits"]:
        text = comments(fit["study"])
        assert found["software"] in text
        if not fit["call"].startswith("the same"):
            function, _, arguments = fit["call"].partition("(")
            assert f"{function}({arguments.split(' ~ ')[0]} ~ " in text
        if fit["study"] == "seizure":  # the estimates of its spec are those of quadrature
            figures = [*fit["variances"], fit["pearson_overdispersion"], fit["correlation"]]
            figures.append(fit["likelihood_ratio_against_an_intercept_alone"])
        elif fit["study"] == "crossover":
            figures = [fit["fixef"][0], *fit["sd"]]
        else:
            figures = [*fit["fixef"], *fit.get("se", []), *fit["sd"]]
        assert not absent(figures, text), fit["call"]


def test_what_a_notebook_types_in_is_marked_and_is_what_its_sources_say() -> None:
    notebook = nbformat.read(ROOT / "notebooks" / "crossover.ipynb", as_version=4)
    sources, cell, after = (notebook.cells[position].source for position in (4, 5, 6))
    for text in ("R 4.2.2", "lme4 1.1.31", "glmer(outcome ~ trt * period", "nAGQ = points", "crossover_ml.json"):
        assert text in sources
    glmer = json.loads((REFERENCES / "glmer.json").read_text(encoding="utf-8"))["fits"]
    points = {re.search(r"nAGQ = (\d+)", fit["call"])[1]: fit for fit in glmer if fit["study"] == "crossover"}
    converged = reference("crossover_ml")
    expected = [points[number] for number in ("1", "25", "50")]
    intercepts = [*(fit["fixef"][0] for fit in expected), converged["fixef"]["Intercept"]]
    sds = [*(fit["sd"][0] for fit in expected), converged["re_sd"][0]]
    for name, values in (("intercept", intercepts), ("sd", sds)):
        numbers = typed(cell.partition(f'"{name}": [')[2].partition("]")[0])
        assert [_is(number, value) for number, value in zip(numbers, values, strict=True)] == [True] * 4
    assert not absent(list(converged["se"].values()), after)
