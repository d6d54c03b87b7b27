"""Priors that PyMC does not have, as its random variables, with the transforms of the compiled density."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions import transforms
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesglmm.specify.priors.custom_density import Custom
from bayesglmm.specify.priors.powers import Power
from bayesglmm.specify.priors.prior import Prior

__all__ = ["custom_variable", "powered"]


def powered(prior: Power, name: str, arguments: Mapping[str, Any], **shape: Any) -> Any:
    """Return a random variable whose power has a distribution: see `Prior.in_pymc`."""
    keys = list(arguments)

    def logp(value: Any, *parameters: Any) -> Any:
        power = value**prior.power
        if isinstance(prior.inner, Custom):
            inside = _tensor(prior.inner)(power)
        else:
            inside = pm.logp(prior.inner.dist(dict(zip(keys, parameters, strict=True))), power)
        return inside + np.log(abs(prior.power)) + (prior.power - 1) * pt.log(value)

    return _variable(prior, name, logp, list(arguments.values()), shape)


def custom_variable(prior: Custom, name: str, **shape: Any) -> Any:
    """Return a random variable with a custom density: see `Prior.in_pymc`."""
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
    """Return the log density on tensors: `Custom.tensor`, or an operation that calls `Custom.logpdf`."""
    return prior.tensor if prior.tensor is not None else _Called(prior, slope=False)


class _Called(Op):  # type: ignore[misc]  # PyTensor has no types
    """A custom log density, or its derivative, elementwise."""

    __props__ = ("prior", "slope")

    def __init__(self, prior: Custom, *, slope: bool) -> None:
        self.prior, self.slope = prior, slope

    def make_node(self, x: Any) -> Any:
        """Return the application to a tensor."""
        x = pt.as_tensor_variable(x).astype("float64")
        return Apply(self, [x], [x.type()])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        """Compute the value."""
        (x,) = inputs
        outputs[0][0] = np.asarray(self.prior.slopes(x) if self.slope else self.prior.values(x), dtype=np.float64)

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """Return the gradient of the log density; its second derivative is not known."""
        (x,), (cotangent,) = inputs, cotangents
        if self.slope:
            raise NotImplementedError("the second derivative of a prior of your own is not known; give tensor=")
        if isinstance(cotangent.type, DisconnectedType):
            return [pt.zeros_like(x)]
        return [cotangent * _Called(self.prior, slope=True)(x)]
