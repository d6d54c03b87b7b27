"""The public surface is the one written in `public_surface.txt`: names, arguments, defaults, what is returned.

After an intended change rewrite the file, and read its diff: `uv run python tests/test_public_surface.py`.
"""

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

import bayesglmm as bg

FILE = Path(__file__).with_name("public_surface.txt")


def text_of(annotation: Any) -> str:
    """Return an annotation without the modules of its names, or as it is written where it is a string."""
    if annotation is inspect.Parameter.empty:
        return "Any"
    if isinstance(annotation, str):
        return annotation
    text = inspect.formatannotation(annotation)
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", text).replace("'", '"')


def signature_of(function: Any) -> str:
    """Return names, kinds and defaults of arguments, and the type returned; a constructor returns none."""
    signature = inspect.signature(function)
    arguments = [argument.replace(annotation=inspect.Parameter.empty) for argument in signature.parameters.values()]
    bare = signature.replace(parameters=arguments, return_annotation=inspect.Signature.empty)
    returned = "" if isinstance(function, type) else f" -> {text_of(signature.return_annotation)}"
    return f"{bare}{returned}"


def is_ours(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).startswith("bayesglmm")


def members(cls: type) -> dict[str, Any]:
    """Return what our classes, and none that they come from, define under public names."""
    found: dict[str, Any] = {}
    for base in reversed([base for base in cls.__mro__ if is_ours(base)]):
        found |= {name: value for name, value in vars(base).items() if not name.startswith("_")}
        fields = inspect.get_annotations(base)
        found |= {name: annotation for name, annotation in fields.items() if not name.startswith("_")}
    return found


def callables(cls: type) -> dict[str, Any]:
    """Return public methods and properties as functions."""
    functions = {}
    for name, value in members(cls).items():
        if isinstance(value, property):
            functions[name] = value.fget
        elif isinstance(value, cached_property):
            functions[name] = value.func
        elif isinstance(value, FunctionType | classmethod | staticmethod):
            functions[name] = getattr(cls, name)
    return functions


def lines_of_class(name: str, cls: type) -> Iterator[str]:
    yield f"{name}{signature_of(cls) if dataclasses.is_dataclass(cls) else ''}"
    functions = callables(cls)
    for member, value in sorted(members(cls).items()):
        if member not in functions:
            yield f"{name}.{member}: {text_of(value)}"
        elif isinstance(value, property | cached_property):
            yield f"{name}.{member}: {text_of(inspect.signature(functions[member]).return_annotation)}"
        else:
            yield f"{name}.{member}{signature_of(functions[member]).replace('(self, ', '(').replace('(self)', '()')}"


def lines() -> Iterator[str]:
    """Write the surface: exports with the members of classes, then the exports of exported modules."""
    for name in bg.__all__:
        value = getattr(bg, name)
        if isinstance(value, type):
            yield from lines_of_class(f"bg.{name}", value)
        elif not isinstance(value, ModuleType):
            yield f"bg.{name}{signature_of(value)}"
    for name in bg.__all__:
        module = getattr(bg, name)
        if isinstance(module, ModuleType):
            names = dir(module) if "__dir__" in vars(module) else module.__all__
            for export in names:
                value = getattr(module, export)
                is_function = isinstance(value, FunctionType) or dataclasses.is_dataclass(value)
                yield f"bg.{name}.{export}{signature_of(value) if is_function and is_ours(value) else ''}"


def test_the_surface_is_the_one_written() -> None:
    expected = FILE.read_text(encoding="utf-8").splitlines()
    found = list(lines())
    changes = [f"- {line}" for line in expected if line not in found] + [
        f"+ {line}" for line in found if line not in expected
    ]
    assert found == expected, "\n".join([str(__doc__), *changes])


def our_classes() -> set[str]:
    """Return the names of all classes of the package."""
    names = [module.name for module in pkgutil.walk_packages(bg.__path__, "bayesglmm.")]
    modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
    classes = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    return {cls.__name__ for cls in classes if is_ours(cls)}


def test_whatever_class_a_call_returns_is_exported() -> None:
    exports = {name: getattr(bg, name) for name in bg.__all__}
    exported = {*exports, *(name for value in exports.values() for name in getattr(value, "__all__", ()))}
    functions = {name: value for name, value in exports.items() if isinstance(value, FunctionType)}
    for name, cls in exports.items():
        if isinstance(cls, type):
            functions |= {
                f"{name}.{member}": function
                for member, function in callables(cls).items()
                if not isinstance(members(cls)[member], property | cached_property)
            }
    hidden = our_classes() - exported
    returned = {name: text_of(inspect.signature(function).return_annotation) for name, function in functions.items()}
    assert {name: text for name, text in returned.items() if set(re.findall(r"\w+", text)) & hidden} == {}


def arguments(function: Any) -> dict[str, inspect.Parameter]:
    return {name: one for name, one in inspect.signature(function).parameters.items() if name != "self"}


def test_the_functions_that_make_a_fit_take_the_same_arguments() -> None:
    """`fit` takes those of `glmm` and `Model.fit`, `Fit.update` those of `Model.update`, in the same order and kind."""
    both = arguments(bg.glmm) | arguments(bg.Model.fit)
    both["unknown"] = both.pop("unknown")  # which refuses all other names, and so comes last
    assert list(arguments(bg.fit)) == list(both)
    assert [one.default for one in arguments(bg.fit).values()][2:] == [one.default for one in both.values()][2:]
    assert set(arguments(bg.Model.fit)) == {"progress", *bg.Sampler.options()}
    update = arguments(bg.Fit.update)
    assert list(update) == [*arguments(bg.Model.update), "progress", "settings"]
    for name, one in arguments(bg.Model.update).items():
        assert (one.kind, one.default) == (update[name].kind, update[name].default)


if __name__ == "__main__":
    FILE.write_text("\n".join(lines()) + "\n", encoding="utf-8")


RESULTS = (
    bg.BayesFactors,
    bg.BootstrapLikelihoodRatio,
    bg.Check,
    bg.Coefficients,
    bg.Discrepancy,
    bg.Elpd,
    bg.ElpdComparison,
    bg.Estimates,
    bg.GroupMeans,
    bg.Hypotheses,
    bg.ImpliedPriors,
    bg.LikelihoodRatio,
    bg.PosteriorCheck,
    bg.PriorLadder,
    bg.PriorSensitivity,
    bg.Profile,
    bg.RSquared,
    bg.RandomEffects,
    bg.Residuals,
    bg.Separation,
    bg.SideBySide,
    bg.SubjectCurves,
    bg.WaldTest,
    bg.ZeroSd,
)


@pytest.mark.parametrize("cls", RESULTS, ids=lambda cls: cls.__name__)
def test_results_have_a_table_a_picture_and_text(cls: type) -> None:
    fields = {field.name for field in dataclasses.fields(cls)}
    table = getattr(cls, "table", None)
    assert "table" in fields or isinstance(table, property | cached_property)
    assert all(callable(getattr(cls, name)) for name in ("plot", "to_text", "_repr_html_"))


def test_whatever_draws_itself_is_a_result() -> None:
    drawn = {name for name in bg.__all__ if isinstance(getattr(bg, name), type) and hasattr(getattr(bg, name), "plot")}
    assert drawn == {cls.__name__ for cls in RESULTS}
