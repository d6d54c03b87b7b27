"""The priors of the package, one file each: a module of this folder that holds a `Prior` is in `DISTRIBUTIONS`."""

import importlib
import pkgutil

from bayesglmm.specify.priors.prior import DISTRIBUTIONS, Prior

__all__ = ["CLASSES", "DISTRIBUTIONS"]

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)

CLASSES: dict[str, type[Prior]] = {prior.__name__: prior for prior in DISTRIBUTIONS.values()}
"""The classes of the package's priors, by their names."""
