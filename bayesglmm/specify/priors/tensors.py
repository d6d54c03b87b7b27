"""Priors that PyMC does not have, as random variables of a PyMC model with the coordinates of the compiled density."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions import transforms
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesglmm.specify.priors.distributions import Prior
from bayesglmm.specify.priors.own import Custom
from bayesglmm.specify.priors.powers import Power

__all__ = ["own", "powered"]


def powered(prior: Power, name: str, arguments: Mapping[str, Any], **shape: Any) -> Any:
    """Return a random variable whose power has a distribution: see `Prior.in_pymc`."""
    keys = list(arguments)

    def logp(value: Any, *parameters: Any) -> Any:
        power = value**prior.power
        if isinstance(prior.of, Custom):
            inside = _tensor(prior.of)(power)
        else:
            inside = pm.logp(prior.of.dist(dict(zip(keys, parameters, strict=True))), power)
        return inside + np.log(abs(prior.power)) + (prior.power - 1) * pt.log(value)

    return _variable(prior, name, logp, list(arguments.values()), shape)


def own(prior: Custom, name: str, **shape: Any) -> Any:
    """Return a random variable with a density of the user's: see `Prior.in_pymc`."""
    return _variable(prior, name, lambda value: _tensor(prior)(value), [], shape)


def _variable(prior: Prior, name: str, logp: Callable[..., Any], arguments: list[Any], shape: Mapping[str, Any]) -> Any:
    from bayesglmm.specify.priors.numeric import draw

    lower, upper = prior.bounds
    whole = lower == -np.inf
    positive = lower == 0 and upper == np.inf
    ends = None if whole else (lower, upper if np.isfinite(upper) else None)
    transform = None if ends is None else transforms.log if positive else transforms.Interval(*ends)

    def random(*parameters: Any, rng: Any = None, size: Any = None) -> Any:
        return draw(prior, np.random.default_rng(rng), () if size is None else tuple(size))

    def start(rv: Any, size: Any, *parameters: Any) -> Any:
        return pt.full(rv.shape, 0.0 if whole else (lower + upper) / 2 if np.isfinite(upper) else lower + 1.0)

    return pm.CustomDist(
        name,
        *arguments,
        logp=logp,
        random=random,
        support_point=start,
        default_transform=transform,
        signature=f"{','.join(['()'] * len(arguments))}->()",
        **shape,
    )


def _tensor(prior: Custom) -> Callable[[Any], Any]:
    """Return the log density on tensors: the user's own, or an operation that calls the function of one number."""
    return prior.tensor if prior.tensor is not None else _Called(prior, slope=False)


class _Called(Op):  # type: ignore[misc]  # PyTensor has no types
    """A user's log density, or its derivative, of every number of a tensor."""

    __props__ = ("prior", "slope")

    def __init__(self, prior: Custom, *, slope: bool) -> None:
        self.prior, self.slope = prior, slope

    def make_node(self, x: Any) -> Any:
        """Return the application to a tensor."""
        x = pt.as_tensor_variable(x).astype("float64")
        return Apply(self, [x], [x.type()])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        """Compute it."""
        (x,) = inputs
        outputs[0][0] = np.asarray(self.prior.slopes(x) if self.slope else self.prior.at(x), dtype=np.float64)

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """Return the gradient; that of the derivative is not known."""
        (x,), (along,) = inputs, cotangents
        if self.slope:
            raise NotImplementedError("the second derivative of a prior of your own is not known; give tensor=")
        if isinstance(along.type, DisconnectedType):
            return [pt.zeros_like(x)]
        return [along * _Called(self.prior, slope=True)(x)]
