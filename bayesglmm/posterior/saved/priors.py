"""The priors of a model as texts, and back."""

from collections.abc import Mapping
from typing import Any

from bayesglmm.errors import PriorError, StorageError, choose
from bayesglmm.posterior.saved.values import flag, table, text, texts, wrong
from bayesglmm.specify.design import Design
from bayesglmm.specify.families import Family
from bayesglmm.specify.priors import PRESETS, Assigned, Prior, Priors, parse_prior
from bayesglmm.specify.priors.prior import Domain

__all__ = ["pack_priors", "unpack_priors"]


def pack_priors(priors: Priors) -> dict[str, Any]:
    """Return priors as texts.

    Raises
    ------
    StorageError
        If one is not of the package, so that no other process could read it.
    """
    return {
        "preset": priors.preset,
        "given": [[list(path), _text(prior)] for path, prior in priors.specified.items()],
        "intercept": None if priors.intercept is None else _pack(priors.intercept),
        "centred": priors.centred,
        "slopes": [_pack(assigned) for assigned in priors.slopes],
        "sd": {name: [_pack(assigned) for assigned in entries] for name, entries in priors.sd.items()},
        "correlation": {name: _pack(assigned) for name, assigned in priors.correlation.items()},
        "parameters": {name: _pack(assigned) for name, assigned in priors.parameters.items()},
    }


def unpack_priors(packed: Any, design: Design, family: Family) -> Priors:
    """Return priors, of a model with this design and this family.

    Raises
    ------
    StorageError
        If they are not what `pack_priors` makes of such a model.
    PriorError
        If the text of one cannot be read.
    """
    entries = table("priors", packed)
    names = {name: table(f"priors.{name}", entries.get(name)) for name in ("sd", "correlation", "parameters")}
    expected_names = {
        "sd": [block.name for block in design.blocks],
        "correlation": [block.name for block in design.blocks if block.correlated],
        "parameters": [parameter.name for parameter in family.parameters],
    }
    for cls, expected in expected_names.items():
        if sorted(names[cls]) != sorted(expected):
            raise wrong(f"priors.{cls}", f"for {', '.join(expected) or 'nothing'}", list(names[cls]))
    intercept = entries.get("intercept")
    if (intercept is not None) != design.has_intercept:
        raise wrong("priors.intercept", "that of a model with this formula", intercept)
    slopes = len(design.coef) - design.has_intercept
    return Priors(
        preset=choose("preset", entries.get("preset"), PRESETS),
        specified=_specified(entries.get("given")),
        intercept=None if intercept is None else _unpack("priors.intercept", intercept, "real"),
        centred=flag("priors.centred", entries.get("centred")),
        slopes=_several("priors.slopes", entries.get("slopes"), slopes, "real"),
        sd={b.name: _several(f"priors.sd.{b.name}", names["sd"][b.name], b.size, "positive") for b in design.blocks},
        correlation=_single("correlation", names, expected_names, "correlation"),
        parameters=_single("parameters", names, expected_names, "positive"),
    )


def _pack(assigned: Assigned) -> list[str]:
    return [_text(assigned.prior), assigned.origin]


def _text(prior: Prior) -> str:
    written = str(prior)
    try:
        reads_back = parse_prior(written) == prior
    except PriorError:  # the name of a user's function, which cannot be parsed
        reads_back = False
    if not reads_back or not type(getattr(prior, "inner", prior)).__module__.startswith("bayesglmm."):
        raise StorageError(
            f"the prior {written} is not one of the package's and cannot be stored as text; keep the draws, fit.draws, "
            "or give the prior by one of the package's distributions"
        )
    return written


def _unpack(where: str, packed: Any, domain: Domain) -> Assigned:
    parts = texts(where, packed)
    if len(parts) != 2:
        raise wrong(where, "a prior and its origin", packed)
    prior = parse_prior(parts[0])
    if not prior.suits(domain):
        raise wrong(where, f"a prior of a parameter that is {domain}", parts[0])
    return Assigned(prior, parts[1])


def _several(where: str, packed: Any, count: int, domain: Domain) -> tuple[Assigned, ...]:
    if not isinstance(packed, list) or len(packed) != count:
        raise wrong(where, f"a list of {count} priors", packed)
    return tuple(_unpack(where, entry, domain) for entry in packed)


def _single(
    what: str, names: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, list[str]], domain: Domain
) -> dict[str, Assigned]:
    return {name: _unpack(f"priors.{what}.{name}", names[what][name], domain) for name in wanted[what]}


def _specified(packed: Any) -> dict[tuple[str, ...], Prior]:
    if not isinstance(packed, list) or not all(isinstance(entry, list) and len(entry) == 2 for entry in packed):
        raise wrong("priors.given", "a list of pairs", packed)
    return {texts("priors.given", path): parse_prior(text("priors.given", prior)) for path, prior in packed}
