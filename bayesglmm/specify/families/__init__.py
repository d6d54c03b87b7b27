"""The families, one file each: a module of this folder that holds a `Family` is in the table."""

import copyreg
import importlib
import pkgutil
from typing import Any

from bayesglmm.errors import FamilyError, listing, suggest
from bayesglmm.specify.families.base import Family, Parameter, Residual, Rule
from bayesglmm.specify.families.elsewhere import instead
from bayesglmm.specify.families.links import LINKS, Link
from bayesglmm.specify.families.merging import Merge

__all__ = ["FAMILIES", "Family", "Merge", "Parameter", "Residual", "Rule", "get_family"]

FAMILIES: dict[str, Family] = {
    value.name: value
    for module in pkgutil.iter_modules(__path__, f"{__name__}.")
    for value in vars(importlib.import_module(module.name)).values()
    if isinstance(value, Family)
}
"""Every family of the package, by name."""


def get_family(family: str | Family, link: str | Link | None = None) -> Family:
    """Return a family with a link, its first for None.

    Raises
    ------
    FamilyError
        For an unknown family, or a link it does not have.
    """
    if isinstance(family, Family):
        return family.with_link(link)
    if not isinstance(family, str):
        raise FamilyError(
            f"family is a name such as 'poisson', not {type(family).__name__}; known: {listing(FAMILIES)}"
        )
    if family in FAMILIES:
        return FAMILIES[family].with_link(link)
    raise FamilyError(instead(family, FAMILIES) or f"family={family!r} is not a family; {suggest(family, FAMILIES)}")


def _pickled(family: Family) -> Any:
    """Return how a family is pickled: one of the package by its name and its link's, as functions have none."""
    if FAMILIES.get(family.name) is not None and LINKS.get(family.link.name) is family.link:
        ours = FAMILIES[family.name].with_link(family.link.name)
        if ours == family:
            return get_family, (family.name, family.link.name)
    return family.__reduce_ex__(4)


copyreg.pickle(Family, _pickled)
