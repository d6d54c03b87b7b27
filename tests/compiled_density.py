"""The compiled density at points, and whether it is that of the PyMC graph."""

from dataclasses import replace

import numpy as np
import pymc as pm
import pytensor
from pytensor.compile.mode import Mode

from bayesglmm.logdensity.compile import find_coordinates, variables
from bayesglmm.logdensity.header import Bound, Coordinates, sd_places
from bayesglmm.logdensity.logp_kernel import log_density
from bayesglmm.logdensity.pymc_graph import build
from bayesglmm.specify.model import Model
from bayesglmm.specify.variables import variable_names

MODE = Mode("py", "fast_run")


def density(bound: Bound, x: np.ndarray) -> tuple[float, np.ndarray, int]:
    gradient, value = np.full(bound.dim, np.nan), np.full(1, np.nan)
    code = log_density.call(bound.dim, *[a.ctypes.data for a in (x, gradient, value, bound.header)])
    return float(value[0]), gradient, code


def order(model: Model, graph: pm.Model) -> list[str]:
    """The graph's random variables in the order of the density's coordinates."""
    blocks = model.design.blocks
    names = ["intercept", "slopes"]
    for block in blocks:
        names += [f"sd_{block.name}", f"partial_{block.name}"]
    names += [parameter.name for parameter in model.family.parameters]
    names += [f"z_{block.name}" for block in blocks]
    free = {rv.name for rv in graph.free_RVs}
    return [name for name in names if name in free]


def agree(model: Model, *, points: int = 3, spread: float = 0.7, centre: float = 0.0) -> None:
    graph, bound = build(model), Bound.of(model)
    values = [graph.rvs_to_values[graph[name]] for name in order(model, graph)]
    with pytensor.config.change_flags(mode=MODE):
        logp = graph.compile_fn(graph.logp(), inputs=values, point_fn=False, mode=MODE)
        variables_ = [graph[name] for name in order(model, graph)]
        slope = graph.compile_fn(graph.dlogp(vars=variables_), inputs=values, point_fn=False, mode=MODE)
        outputs = [graph[name] for name in variable_names(model)]
        shown = graph.compile_fn(
            graph.replace_rvs_by_values(outputs), inputs=values, point_fn=False, mode=MODE, on_unused_input="ignore"
        )
    shapes = [np.asarray(graph.initial_point()[value.name]).shape for value in values]
    rng = np.random.default_rng(5)
    constants, largest = [], 1.0
    for _ in range(points):
        pieces = [centre * (k < 1) + spread * rng.normal(size=shape) for k, shape in enumerate(shapes)]
        x = np.concatenate([np.ravel(piece) for piece in pieces])
        value, gradient, code = density(bound, x)
        assert code == 0
        constants.append(value - float(logp(*pieces)))
        largest = max(largest, abs(value))
        np.testing.assert_allclose(gradient, slope(*pieces), rtol=1e-8, atol=1e-8 * np.abs(gradient).max())
        for ours, theirs in zip(variables(model, bound, x).values(), shown(*pieces), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    assert np.ptp(constants) < 1e-10 * largest


WHITENED = {
    "one block": ("y ~ x + (1 | g)", "poisson"),
    "correlated": ("y ~ x + w + (1 + x + w | g)", "poisson"),
    "diagonal": ("y ~ x + (1 + x || g)", "gaussian"),
    "crossed": ("y ~ x + (1 | h) + (1 + x | g)", "bernoulli"),
    "two on one factor": ("y ~ x + (1 | g) + (0 + x | g) + (1 | h)", "gaussian"),
    "no block": ("y ~ x + w", "student"),
}


def in_coordinates(model: Model, name: str) -> Coordinates:
    """Coordinates of a model: plain, whitened, joint, or joint with every sd signed."""
    if name == "plain":
        return Coordinates.plain(model)
    found = find_coordinates(model, {}, joint=name != "whitened")
    assert isinstance(found, Coordinates)
    assert (found.joint is None) == (name == "whitened")
    if name != "signed":
        return found
    sds = [number for place in sd_places(model) for number in range(place.start, place.stop)]
    return replace(found, signed=dict.fromkeys(sds, 0.7))
