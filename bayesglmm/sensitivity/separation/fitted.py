"""Separation of a fit: looked for before sampling, kept with the draws, worded with what holds the posterior."""

import warnings
from collections.abc import Sequence

import xarray as xr

from bayesglmm.errors import BayesGLMMWarning, listing
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.sample.diagnostics import Finding
from bayesglmm.sensitivity.separation.cells import merge
from bayesglmm.sensitivity.separation.find import applies, separation, sides
from bayesglmm.sensitivity.separation.programme import Unsolved
from bayesglmm.sensitivity.separation.recession import recession
from bayesglmm.sensitivity.separation.result import Separation
from bayesglmm.specify.model import Model

__all__ = ["attach", "finding", "held", "look", "of_fit", "unbounded"]

_RECORD = "separation"
"""The attribute of the draws that holds what was found, as text."""


def look(model: Model) -> Separation | None:
    """Look for separation before a model is sampled; None for a family that has none.

    Warns
    -----
    BayesGLMMWarning
        If coefficients whose estimate given X is infinite have a flat prior.
    """
    if not applies(model.family):
        return None
    found = separation(model)
    flat = [name for name in found.infinite if name in _flat(model)]
    if flat:
        warnings.warn(_flat_text(flat, unbounded(model)), BayesGLMMWarning, stacklevel=4)
    return found


def unbounded(model: Model) -> tuple[str, ...]:
    """Return the coefficients with a flat prior along which the posterior is improper, the proper priors held fixed.

    With the prior of the intercept on the centred design, the directions are those of the centred columns: the
    mean of the linear predictor stays where it is.
    """
    design, flat = model.design, _flat(model)
    which = [j for j, name in enumerate(design.coef) if name in flat]
    x = design.x[:, which]
    if design.has_intercept and model.priors.centred and "Intercept" not in flat:
        x = x - x.mean(axis=0)
    try:
        found = recession(merge(x, (), *sides(model)))
    except Unsolved:
        return ()
    return tuple(design.coef[j] for j, estimate in zip(which, found.estimates, strict=True) if estimate != "finite")


def attach(draws: xr.DataTree, found: Separation | None) -> xr.DataTree:
    """Return draws that hold the record of what was found."""
    attached = draws.copy()
    attached.attrs |= {} if found is None else {_RECORD: found.to_json()}
    return attached


def of_fit(fit: Fitted) -> Separation | None:
    """Return what was found before a fit was sampled; looked for now if nothing is recorded, None without likelihood.

    None also for a family that has no separation.
    """
    if fit.draws.attrs.get("prior_only") or not applies(fit.model.family):
        return None
    record = fit.draws.attrs.get(_RECORD)
    return separation(fit.model) if record is None else Separation.from_json(record)


def finding(fit: Fitted) -> Finding | None:
    """Word separation as information on a fit, or that it was not checked; None where there is none."""
    found = of_fit(fit)
    if found is None or not (found.separated or found.unchecked):
        return None
    if not found.separated:
        return Finding("separation", f"separation {found.message}", found.advice)
    infinite = tuple(found.infinite or found.infinite_given_groups)
    return Finding(
        "separation",
        f"separation {found.message}",
        f"{held(fit.model, found)}; {found.advice}",
        tuple(f"beta[{name}]" for name in infinite),
    )


def _flat(model: Model) -> set[str]:
    """Return the coefficients whose prior is improper."""
    names = model.design.coef[1:] if model.design.has_intercept else model.design.coef
    flat = {names[j] for j in model.priors.improper}
    intercept = model.priors.intercept
    return flat | ({"Intercept"} if intercept is not None and not intercept.prior.proper else set())


def _flat_text(flat: Sequence[str], names: Sequence[str]) -> str:
    """Word what a flat prior means for coefficients with an infinite estimate, of which some are unbounded."""
    remedy = f"Give a proper prior, such as priors={{'slopes': 'normal(0, 2.5)'}} or {{'{flat[0]}': 'normal(0, 2.5)'}}"
    if names:
        return (
            f"the posterior is improper: the data are separated given X and the prior of {listing(names)} is flat, so "
            f"nothing keeps {'it' if len(names) == 1 else 'them'} finite and the draws describe no distribution. "
            f"{remedy}"
        )
    return (
        f"the data are separated given X and the prior of {listing(flat)} is flat: only the priors of the other "
        f"coefficients keep the posterior from being improper, with tails as heavy as theirs. {remedy}"
    )


def held(model: Model, found: Separation) -> str:
    """Say what holds the coefficients that the likelihood does not.

    Given X it is priors alone; given the groups alone also what differs between groups.
    """
    design, priors = model.design, model.priors
    assigned = [*([priors.intercept] if priors.intercept is not None else []), *priors.slopes]
    flat, by_name = _flat(model), dict(zip(design.coef, assigned, strict=True))
    infinite = found.infinite or found.infinite_given_groups or _combined(found)
    those = [f"{name} ~ {by_name[name].prior}" for name in infinite if name not in flat]
    if not found.infinite:
        those += [
            f"sd_{block.name}[{column}] ~ {entry.prior}"
            for block in design.blocks
            for column, entry in zip(block.columns, priors.sd[block.name], strict=True)
        ]
    what = "priors alone hold the posterior" if found.infinite else "the priors concerned"
    said = [f"{what}: {listing(those)}"] if those else []
    loose = [name for name in infinite if name in flat]
    if loose and found.infinite:
        said.append(_flat_text(loose, unbounded(model)))
    elif loose:
        said.append(f"the prior of {listing(loose)} is flat: give a proper one")
    return "; ".join(said)


def _combined(found: Separation) -> list[str]:
    """Return the coefficients of which only a combination goes to infinity: those that the groups can stand in for."""
    estimates = found.given_groups["estimate"]
    return [str(name) for name in estimates.index[estimates == "not identified"] if name != "Intercept"]
