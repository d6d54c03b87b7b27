"""`Sampler`: the settings of NUTS, checked when made."""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

import numpy as np

from bayesglmm.errors import OptionError, choose

__all__ = ["FEWEST_DRAWS", "Backend", "Sampler"]

type Backend = Literal["auto", "density", "pymc", "numpyro"]

FEWEST_DRAWS = 4
"""Draws a chain below which ArviZ computes no diagnostics."""


@dataclass(frozen=True)
class Sampler:
    """How to sample.

    Parameters
    ----------
    draws
        Draws kept in each chain.
    tune
        Warm-up draws in each chain, not kept; None for 300, and 1,000 in plain coordinates.
    chains
        The number of chains.
    cores
        How many chains run at once, None for as many as the machine has; the draws do not depend on it.
    seed
        The seed, None to have one chosen; the fit records it.
    target_accept
        The acceptance rate the step size is adapted to, between 0.5 and 1.
    max_treedepth
        The largest depth of a trajectory's tree: at most 2 to its power steps.
    prior_only
        Whether to leave the likelihood out and sample the prior.
    backend
        What computes the log density: `"density"`, the package's own, compiled once for all models;
        `"pymc"`, the PyMC graph, compiled for each; `"numpyro"`, the same graph compiled by JAX and sampled
        by NumPyro, both of the extra `bayesglmm[numpyro]`; `"auto"`, the first, or the second where the versions of
        numba or nutpie do not allow it. The posterior is the same.
    partial
        Whether an interruption (Ctrl-C) after the warm-up returns the draws so far, with a finding that says how
        many were requested; otherwise it ends the fit. NumPyro returns none.
    mend
        Whether a fit that fails its checks is sampled again, once (see `bayesglmm.sample.mending`).

    Raises
    ------
    OptionError
        For a value out of range.
    """

    draws: int = 1000
    tune: int | None = None
    chains: int = 4
    cores: int | None = None
    seed: int | None = None
    target_accept: float = 0.85
    max_treedepth: int = 10
    prior_only: bool = False
    backend: Backend = "auto"
    partial: bool = False
    mend: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        required = {"draws": (FEWEST_DRAWS, 10**7), "chains": (1, 1000), "max_treedepth": (1, 20)}
        optional = {"tune": (1, 10**7), "cores": (1, 10_000), "seed": (0, 2**63 - 1)}
        for name, (least, most) in {**required, **optional}.items():
            if getattr(self, name) is not None or name in required:
                _check_integer(name, getattr(self, name), least, most)
        if not isinstance(self.target_accept, int | float) or not 0.5 <= self.target_accept < 1:
            raise OptionError(f"target_accept={self.target_accept!r} is not between 0.5 and 1; try 0.9")
        for name in ("prior_only", "partial", "mend"):
            if not isinstance(getattr(self, name), bool):
                raise OptionError(f"{name}={getattr(self, name)!r} is neither True nor False")
        choose("backend", self.backend, get_args(Backend.__value__))

    def seeded(self) -> "Sampler":
        """Return the settings with a seed, drawn now if there is none."""
        if self.seed is not None:
            return self
        return replace(self, seed=int(np.random.SeedSequence().generate_state(1)[0]))

    @classmethod
    def options(cls) -> tuple[str, ...]:
        """Return the names of the settings."""
        return tuple(field.name for field in fields(cls))


def _check_integer(name: str, value: Any, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise OptionError(f"{name}={value!r} is not a whole number from {least} to {most}")
