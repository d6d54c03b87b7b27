"""Random effects b and coefficients β + b of groups: their fixed part β, and their meaning on each scale."""

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bayesglmm.common.names import find
from bayesglmm.errors import OptionError, listing
from bayesglmm.posterior.draws import Draws
from bayesglmm.specify.design import BlockDesign, Design
from bayesglmm.specify.families import Family
from bayesglmm.specify.families.links import Link

__all__ = [
    "QUANTITIES",
    "SCALES",
    "EffectScale",
    "Quantity",
    "Transform",
    "attributes",
    "fixed_part",
    "meanings",
    "transform",
]

type Array = NDArray[np.float64]
type Quantity = Literal["effects", "coefficients"]
type EffectScale = Literal["link", "response"]
type Transform = Callable[[Array], Array]

QUANTITIES: tuple[Quantity, ...] = get_args(Quantity.__value__)
"""b, deviations from the typical group; β + b, the group's own coefficients."""

SCALES: tuple[EffectScale, ...] = get_args(EffectScale.__value__)

_AT_ZERO = ", where the predictors that interact with it are 0"


def fixed_part(draws: Draws, blocks: tuple[BlockDesign, ...]) -> Array:
    """Return β of the blocks' columns, (s, k); 0 where there is none.

    Raises
    ------
    OptionError
        For a column that is not itself a population-level one but lies in their span: its β is not one number of
        the model.
    """
    design, beta = draws.design, draws.beta
    parts = []
    for block in blocks:
        for j, name in enumerate(block.columns):
            coefficient = find(name, design.coef)
            if coefficient is not None and np.allclose(
                design.x[:, design.coef.index(coefficient)], block.z[:, j], rtol=1e-12, atol=0
            ):
                parts.append(beta[:, design.coef.index(coefficient)])
                continue
            if _spanned(design, block.z[:, j]):
                raise OptionError(
                    f"the column '{name}' of '{block.factor}' is a combination of population-level columns "
                    f"({listing(design.coef)}), coded otherwise: use quantity='effects', or epred(frame='group')"
                )
            parts.append(np.zeros(len(beta)))
    return np.column_stack(parts)


def _spanned(design: Design, column: Array) -> bool:
    """Return whether a column (n,) is a linear combination of the population-level ones."""
    if not design.coef:
        return False
    fitted = design.x @ np.linalg.lstsq(design.x, column)[0]
    return bool(np.linalg.norm(column - fitted) <= 1e-8 * np.linalg.norm(column))


def transform(link: Link, column: str, quantity: Quantity, scale: EffectScale) -> Transform:
    """Return the function from the link scale to `scale` of a column: identity, exp or g⁻¹."""
    if scale == "link" or link.additive:
        return lambda values: values
    return link.inverse if quantity == "coefficients" and column == "Intercept" else np.exp


def meanings(family: Family, columns: list[str], quantity: Quantity, scale: EffectScale) -> list[str]:
    """Say what each column is.

    Raises
    ------
    OptionError
        For a column that has no meaning of its own on the response scale.
    """
    link, ratio = family.link, family.ratio
    texts = []
    for column in columns:
        is_group_mean = quantity == "coefficients" and column == "Intercept"
        if scale == "link" or link.additive:
            texts.append(f"group's own coefficient{_AT_ZERO}" if quantity == "coefficients" else "deviation from b = 0")
        elif is_group_mean and link.increasing:
            texts.append("group's mean where all predictors and offsets are 0")
        elif is_group_mean or ratio is None:
            raise OptionError(
                f"'{column}' has no meaning of its own on the response scale under the {link.name} link; use "
                "scale='link', or epred(frame='group')"
            )
        elif quantity == "coefficients":
            texts.append(f"group's own {ratio}{_AT_ZERO}")
        elif column == "Intercept":
            texts.append(f"{ratio} of the group to the typical one (b = 0), where the other effects' columns are 0")
        else:
            texts.append(f"the group's {ratio}, divided by the typical one's (b = 0)")
    return texts


def attributes(
    factor: str, quantity: Quantity, scale: EffectScale, link: Link, meaning: dict[str, str]
) -> dict[str, Any]:
    """Return the attributes of draws of random effects."""
    symbols = "random effects b" if quantity == "effects" else "coefficients β + b"
    scale_text = f"{link.name} scale" if scale == "link" else "response scale"
    return {
        "frame": "group",
        "quantity": quantity,
        "scale": scale,
        "link": link.name,
        "factor": factor,
        "estimand": f"{symbols} of the observed levels of {factor}, {scale_text}",
        "meaning": "; ".join(f"{name}: {text}" for name, text in meaning.items()),
    }
