"""From coordinates of the globals to their values, and of a block's covariance to its roots, and back for gradients."""

import math

from bayesglmm.compiled.abi import doubles, further, integers
from bayesglmm.compiled.pieces import piece
from bayesglmm.logdensity.layout import BLOCK_SIZE, Block, Header

__all__ = ["CONDITIONED", "SIGNED", "block_of", "constrain", "roots_back", "write_roots", "write_values"]


CONDITIONED = 3
"""The kind of a coordinate whose value is found together with the random effects."""

SIGNED = 4
"""The kind of a coordinate of an sd with a sign, of which the sd is the absolute value.

b = sd · z is the same for −sd and −z, so the posterior of sd and z extends evenly to negative sds. That of log sd has
an infinite tail where the sd may be zero; here zero is a place like others.
"""


@piece
def block_of(header, number):
    """Return a block's row of the block table."""
    return further(integers(header[Header.BLOCK_TABLE]), number * BLOCK_SIZE)


@piece
def constrain(x, lower, upper, kind):
    """Return the value of a coordinate, its derivative, the log Jacobian and its derivative."""
    if kind == 0:
        return x, 1.0, 0.0, 0.0
    if kind == 1:
        value = math.exp(x)
        return lower + value, value, x, 1.0
    if kind == SIGNED:  # `upper` is the sd up to which it is nearly linear, from where on nearly logarithmic
        return upper * math.sinh(x), upper * math.cosh(x), math.log(math.cosh(x)), math.tanh(x)
    width = upper - lower
    small = math.exp(-abs(x))
    near, far = 1.0 / (1.0 + small), small / (1.0 + small)
    p, q = (near, far) if x > 0.0 else (far, near)
    return lower + width * p, width * p * q, math.log(width) - abs(x) - 2.0 * math.log1p(small), q - p


@piece
def write_values(header, x, values):
    """Write the values of the globals."""
    numbers, transforms = doubles(header[Header.PRIOR_NUMBERS]), integers(header[Header.TRANSFORMS])
    for i in range(header[Header.GLOBALS]):
        if transforms[i] != CONDITIONED:
            values[i] = constrain(x[i], numbers[5 * i + 3], numbers[5 * i + 4], transforms[i])[0]


@piece
def write_roots(block, space, values):
    """Write L and M of a block, (k, k): the Cholesky factor of Ω, and M = diag(sd) L, with b = M z.

    L is of partial correlations u in (0, 1), r = 2u − 1, if the block is correlated, and the unit matrix if not.
    """
    k, at, first = block[Block.COLUMNS], block[Block.FIRST_PARTIAL], block[Block.FIRST_SD]
    lower, root = further(space, block[Block.AT_LOWER]), further(space, block[Block.AT_ROOT])
    for i in range(k):
        left = 1.0
        for j in range(i):
            lower[i * k + j] = 0.0
            if block[Block.CORRELATED]:
                u = values[at]
                lower[i * k + j] = (2.0 * u - 1.0) * left
                left *= 2.0 * math.sqrt(u * (1.0 - u))
                at += 1
        lower[i * k + i] = left
        for j in range(k):
            root[i * k + j] = values[first + i] * lower[i * k + j] if j <= i else 0.0


@piece
def _factor_back(block, values, lower, d_lower, slopes):
    """Add to `slopes` the derivatives with respect to u of a function with derivatives `d_lower`."""
    k = block[Block.COLUMNS]
    at = block[Block.FIRST_PARTIAL]
    for i in range(k):
        # Σ over later columns of derivative × entry, all ∝ this row's root
        after = d_lower[i * k + i] * lower[i * k + i]
        for j in range(i - 1, -1, -1):
            u = values[at + j]
            root = 2.0 * math.sqrt(u * (1.0 - u))
            left = 1.0
            for earlier in range(j):
                v = values[at + earlier]
                left *= 2.0 * math.sqrt(v * (1.0 - v))
            slopes[at + j] += 2.0 * d_lower[i * k + j] * left + after * 2.0 * (1.0 - 2.0 * u) / (root * root)
            after += d_lower[i * k + j] * lower[i * k + j]
        at += i


@piece
def roots_back(block, values, lower, d_root, slopes):
    """Add to `slopes` the derivatives by sds and u of a function with derivatives `d_root`, which is overwritten."""
    k = block[Block.COLUMNS]
    for i in range(k):
        for j in range(i + 1):
            slopes[block[Block.FIRST_SD] + i] += d_root[i * k + j] * lower[i * k + j]
            d_root[i * k + j] *= values[block[Block.FIRST_SD] + i]
    if block[Block.CORRELATED]:
        _factor_back(block, values, lower, d_root, slopes)
