"""Sentences for the report: which estimand the coefficients are, and which the population's means."""

from bayesglmm.errors import listing
from bayesglmm.specify.model import Model

__all__ = ["how_to_read"]

_ATTENUATED = (
    "Averaged over {factors}, the population mean E(Y | x) is another curve: probabilities are pulled toward the "
    "middle, and a coefficient fitted to that curve is in general nearer to zero than the conditional one. Effects on "
    "the population are read off the population means, which are integrated exactly over the random effects."
)
_OTHERWISE = (
    "Averaged over {factors}, the population mean E(Y | x) is another curve than the typical subject's: effects on the "
    "population are read off the population means."
)


def how_to_read(model: Model) -> list[str]:
    """Return sentences on the frame and scale of the coefficients, and on population means."""
    link, ratio = model.family.link, model.family.ratio
    scale = f"on the scale of the linear predictor ({link.name} link)"
    if not model.design.blocks:
        exponent = f"; exp(coefficient) is {'an' if ratio[0] in 'aeio' else 'a'} {ratio}" if ratio else ""
        return [f"The coefficients are {scale}{exponent}. The model has no random effects to be conditional on."]
    factors = listing(dict.fromkeys(block.factor for block in model.design.blocks))
    columns = listing(dict.fromkeys(column for block in model.design.blocks for column in block.columns))
    exponent = f"; exp(coefficient) is a conditional {ratio}" if ratio else ""
    conditional = (
        f"The coefficients are conditional on b = 0, {scale}{exponent}. They compare what the typical subject, at the "
        f"centre of the random effects of {factors}, would have at different values of a predictor; they are not "
        "the population's."
    )
    averaged = link.reading or (_ATTENUATED if link.range == "unit" else _OTHERWISE)
    return [conditional, averaged.format(factors=factors, columns=columns)]
