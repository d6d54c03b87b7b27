"""The files of a saved fit: the manifest `fit.json`, the arrays in netCDF, and the description of the model.

What of them is checked on reading is listed in `bayesglmm.posterior.storage`.
"""

from bayesglmm.posterior.saved.arrays import from_netcdf, to_netcdf
from bayesglmm.posterior.saved.manifest import FORMAT, MANIFEST, is_manifest, seal, unseal
from bayesglmm.posterior.saved.record import check_data, check_draws, check_rebuilt, describe, rebuild

__all__ = [
    "FORMAT",
    "MANIFEST",
    "check_data",
    "check_draws",
    "check_rebuilt",
    "describe",
    "from_netcdf",
    "is_manifest",
    "rebuild",
    "seal",
    "to_netcdf",
    "unseal",
]
