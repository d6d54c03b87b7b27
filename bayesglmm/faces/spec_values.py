"""The values of a spec: each is of the type that its key has, or refused with what is wanted instead."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from bayesglmm.comparison.loo import FEWEST_DRAWS
from bayesglmm.errors import OptionError, SpecError, choose, listing, suggest
from bayesglmm.faces.alternatives import Alternative, Compared
from bayesglmm.sample.settings import Sampler

__all__ = ["FIGURES", "READERS"]

FIGURES = ("coefficients", "random_effects", "diagnostics", "population")
"""The names of figures."""


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SpecError(f"{where} is a text in quotes, not {_toml_type(value)}")
    return value


def _missing(where: str, value: Any) -> Literal["error", "drop"]:
    rules: tuple[Literal["error", "drop"], ...] = ("error", "drop")
    try:
        return choose("missing", value, rules)
    except OptionError as error:
        raise SpecError(f"{where}: {error}") from error


def _priors(where: str, value: Any) -> Mapping[str, Any] | str:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        raise SpecError(f"{where} is a table of priors, or the name of a preset, not {_toml_type(value)}")
    _check_priors(where, value)
    return value


def _check_priors(where: str, table: Mapping[str, Any]) -> None:
    for key, value in table.items():
        if isinstance(value, dict):
            _check_priors(f"{where}.{key}", value)
        elif not isinstance(value, str):
            raise SpecError(f'{where}.{key} is a prior such as "normal(0, 2.5)", not {_toml_type(value)}')


def _sampler(where: str, value: Any) -> Sampler:
    if not isinstance(value, dict):
        raise SpecError(f"{where} is a table of settings, [sampler], not {_toml_type(value)}")
    for key in value:
        if key not in Sampler.options():
            raise SpecError(f"{where} has no setting '{key}'; {suggest(key, Sampler.options())}")
    try:
        return Sampler(**value)
    except OptionError as error:
        raise SpecError(f"{where}: {error}") from error


def _figures(where: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise SpecError(f'{where} is a list such as ["coefficients", "population"], not {_toml_type(value)}')
    for name in value:
        if name not in FIGURES:
            raise SpecError(f"{where} has {name!r}, which is not a figure; {suggest(str(name), FIGURES)}")
    return tuple(dict.fromkeys(value))


def _labels(where: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise SpecError(f"{where} is a table of texts by column, [labels], not {_toml_type(value)}")
    return {key: _text(f"{where}.{key}", text) for key, text in value.items()}


def _reference(where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SpecError(f"{where} is a table of levels by column, [reference], not {_toml_type(value)}")
    for key, level in value.items():
        if not isinstance(level, str | int | float):
            raise SpecError(f"{where}.{key} is the label of a level, not {_toml_type(level)}")
    return value


def _na_values(where: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(mark, str) for mark in value):
        raise SpecError(f'{where} is a list of texts such as ["NA", "."], not {_toml_type(value)}')
    return tuple(value)


def _compare(where: str, value: Any) -> Compared:
    """Read `[compare]`: texts and numbers are of all models together, each table is a model."""
    if not isinstance(value, dict):
        raise SpecError(f"{where} is a table of models, such as [compare.without_x], not {_toml_type(value)}")
    models = {key: entry for key, entry in value.items() if key not in Compared.entries()}
    for key, entry in models.items():
        if not isinstance(entry, dict):
            raise SpecError(
                f"{where} has no setting '{key}'; {suggest(key, Compared.entries())}; a model is a table, "
                f"[compare.{key}]"
            )
    if not models:
        raise SpecError(f"{where} names no model; give each a table of what is changed, such as [compare.without_x]")
    settings = {key: _SETTINGS[key](f"{where}.{key}", entry) for key, entry in value.items() if key not in models}
    compared = Compared({key: _alternative(f"{where}.{key}", entry) for key, entry in models.items()}, **settings)
    if compared.name in models:
        raise SpecError(f"{where}: name={compared.name!r} is also that of another model; name each once")
    return compared


def _alternative(where: str, table: Mapping[str, Any]) -> Alternative:
    for key in table:
        if key not in Alternative.entries():
            raise SpecError(f"{where} has no key '{key}'; {suggest(key, Alternative.entries())}")
    if not table:
        raise SpecError(f"{where} changes nothing; give one of {listing(Alternative.entries())}")
    return Alternative(**{key: READERS[key](f"{where}.{key}", value) for key, value in table.items()})


def _draws(where: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < FEWEST_DRAWS:
        raise SpecError(f"{where} is a whole number of {FEWEST_DRAWS} or more, the most draws that are weighted")
    return value


_SETTINGS: Mapping[str, Callable[[str, Any], Any]] = {"name": _text, "unit": _text, "max_draws": _draws}
"""The reader of what is said of all models compared."""


def _toml_type(value: Any) -> str:
    """Name the type of a TOML value."""
    if value == "":
        return "an empty text"
    names = {bool: "true or false", str: "a text", dict: "a table", list: "a list", int: "a number", float: "a number"}
    return next((name for python_type, name in names.items() if isinstance(value, python_type)), "a date or time")


READERS: Mapping[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(("title", "description", "data", "formula", "family", "link", "focal", "by"), _text),
    "priors": _priors,
    "missing": _missing,
    "reference": _reference,
    "na_values": _na_values,
    "sampler": _sampler,
    "figures": _figures,
    "labels": _labels,
    "compare": _compare,
}
"""The reader of each key."""
