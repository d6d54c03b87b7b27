"""`Graph`: a PyMC graph with what a sampler needs beside it: the variables to keep, and where chains start."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesglmm.sample.settings import Sampler
from bayesglmm.sample.starts import coefficient_starts
from bayesglmm.specify.model import Model
from bayesglmm.specify.variables import variable_names

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["Graph"]


@dataclass(frozen=True, eq=False)
class Graph:
    """A PyMC graph to be sampled.

    Parameters
    ----------
    model
        The graph.
    names
        The variables to keep.
    starts
        Where chains start, by free variable; the graph's own initial point elsewhere.
    jittered
        The free variables whose start is moved by up to one unit, in unconstrained coordinates.
    """

    model: "pm.Model"
    names: tuple[str, ...]
    starts: dict[str, Any]
    jittered: tuple[str, ...]

    @classmethod
    def of(cls, model: Model, *, prior_only: bool) -> "Graph":
        """Return the graph of a model; chains that sample the prior alone start at random."""
        graph = model.to_pymc(prior_only=prior_only)
        free = [rv.name for rv in graph.free_RVs]
        starts = (
            {} if prior_only else {name: value for name, value in coefficient_starts(model).items() if name in free}
        )
        jittered = tuple(name for name in free if prior_only or name not in ("intercept", "slopes"))
        return cls(graph, variable_names(model), starts, jittered)

    def starting_points(self, sampler: Sampler) -> list[dict[str, Any]]:
        """Return where each chain starts, by unconstrained variable."""
        rng = np.random.default_rng(sampler.seed)
        jittered = {self.model.rvs_to_values[self.model[name]].name for name in self.jittered}
        points = {**self.model.initial_point(), **self.starts}
        start = {name: np.asarray(value, dtype=float) for name, value in points.items()}
        return [
            {name: x + rng.uniform(-1, 1, x.shape) if name in jittered else x for name, x in start.items()}
            for _ in range(sampler.chains)
        ]
