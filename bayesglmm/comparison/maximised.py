"""`Maximised`: the protocol of a maximum-likelihood fit, and which two are compared."""

from typing import Protocol

from bayesglmm.comparison.same_data import refuse_other_data
from bayesglmm.errors import OptionError
from bayesglmm.specify.model import Model

__all__ = ["Maximised", "refuse_unlike"]


class Maximised(Protocol):
    """A model whose likelihood was maximised; `bayesglmm.MLFit` is one."""

    @property
    def model(self) -> Model:
        """What was fitted."""

    @property
    def loglik(self) -> float:
        """The log likelihood at the maximum, with all constants."""

    @property
    def method(self) -> str:
        """`quadrature`, `laplace`, `pql` or `glm`."""

    @property
    def nodes(self) -> int | None:
        """Quadrature points a dimension."""

    @property
    def restricted(self) -> bool:
        """Whether the likelihood is the restricted one."""

    @property
    def how(self) -> str:
        """How the likelihood was integrated and maximised, in words."""

    @property
    def doubts(self) -> tuple[str, ...]:
        """What makes its numbers doubtful, in words."""


def refuse_unlike(small: Maximised, large: Maximised) -> None:
    """Refuse fits whose log likelihoods do not stand on one scale.

    Raises
    ------
    OptionError
        For likelihoods integrated in different ways, restricted ones of other coefficients, and those of PQL, which
        are of no model.
    DataError
        For fits of different data.
    """
    for fit in (small, large):
        if not hasattr(fit, "maximum"):
            raise OptionError(
                f"{type(fit).__name__} maximised no likelihood, so there is no likelihood-ratio test: fit both by "
                "bg.maximum_likelihood; posteriors are compared by bg.compare"
            )
    refuse_other_data({"small": small.model, "large": large.model})
    for fit in (small, large):
        if fit.method == "pql":
            raise OptionError(
                "PQL maximises no likelihood of the outcomes, so two of its fits cannot be tested against each other; "
                'fit both by method="quadrature" or "laplace"'
            )
    if small.restricted != large.restricted:
        raise OptionError("one fit maximised the restricted likelihood, the other the likelihood; fit both alike")
    if large.restricted and not _same_columns(small.model, large.model):
        raise OptionError(
            "restricted likelihoods of models with different coefficients are of different outcomes; fit both with "
            "restricted=False"
        )
    grouped = [fit for fit in (small, large) if fit.model.design.blocks]
    ways = {(fit.method if fit.nodes is None else "quadrature", fit.nodes) for fit in grouped}
    if len(ways) > 1:
        first, second = (fit.how for fit in grouped)
        raise OptionError(
            f"the likelihoods were integrated in different ways: {first}; {second}. Give both the same nodes"
        )


def _same_columns(small: Model, large: Model) -> bool:
    ours, theirs = small.design.x, large.design.x
    return ours.shape == theirs.shape and bool((ours == theirs).all())
