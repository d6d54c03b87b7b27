"""The values of the globals from their coordinates, the roots of a block's covariance from these, and derivatives.

How coordinates are chosen stands in `compile`.
"""

import math

from bayesglmm.compiled.abi import doubles, further, integers
from bayesglmm.compiled.pieces import piece
from bayesglmm.logdensity.layout import Block, Header, Transform

__all__ = ["block_of", "constrain", "roots_back", "write_roots", "write_values"]

_BLOCK_SIZE = len(Block)


@piece
def block_of(header, number):
    """Return a block's row of the block table."""
    return further(integers(header[Header.BLOCK_TABLE]), number * _BLOCK_SIZE)


@piece
def constrain(x, lower, upper, transform):
    """Return the value θ(x) of a coordinate, θ′(x), the log Jacobian J = log |θ′(x)| and J′(x).

    With l the lower and u the upper bound, and s = 1/(1 + e⁻ˣ),

        WHOLE_LINE   θ = x
        ABOVE        θ = l + eˣ
        BETWEEN      θ = l + (u − l) s
        SIGNED       θ = u sinh x, J less the constant log u; nearly linear up to u, nearly exponential beyond
    """
    if transform == Transform.WHOLE_LINE:
        return x, 1.0, 0.0, 0.0
    if transform == Transform.ABOVE:
        value = math.exp(x)
        return lower + value, value, x, 1.0
    if transform == Transform.SIGNED:
        return upper * math.sinh(x), upper * math.cosh(x), math.log(math.cosh(x)), math.tanh(x)
    width = upper - lower
    small = math.exp(-abs(x))
    larger, smaller = 1.0 / (1.0 + small), small / (1.0 + small)
    p, q = (larger, smaller) if x > 0.0 else (smaller, larger)
    return lower + width * p, width * p * q, math.log(width) - abs(x) - 2.0 * math.log1p(small), q - p


@piece
def write_values(header, x, values):
    """Write the values θ(x) of the globals (g,), all but those of `CONDITIONED` coefficients."""
    numbers, transforms = doubles(header[Header.PRIOR_NUMBERS]), integers(header[Header.TRANSFORMS])
    for i in range(header[Header.GLOBALS]):
        if transforms[i] != Transform.CONDITIONED:
            values[i] = constrain(x[i], numbers[5 * i + 3], numbers[5 * i + 4], transforms[i])[0]


@piece
def write_roots(block, space, values):
    """Write L, the Cholesky factor of Ω, and M = diag(σ) L of a block, both (k, k), so that b = M z.

    From partial correlations r = 2u − 1, u in (0, 1),

        L_ij = r_ij Π_{l<j} √(1 − r_il²),    L_ii = Π_{l<i} √(1 − r_il²),    √(1 − r²) = 2 √(u (1 − u)).

    L is the unit matrix if the block is not correlated.
    """
    k, partial, first_sd = block[Block.COLUMNS], block[Block.FIRST_PARTIAL], block[Block.FIRST_SD]
    cholesky, root = further(space, block[Block.AT_CHOLESKY]), further(space, block[Block.AT_ROOT])
    for i in range(k):
        remaining = 1.0
        for j in range(i):
            cholesky[i * k + j] = 0.0
            if block[Block.CORRELATED]:
                u = values[partial]
                cholesky[i * k + j] = (2.0 * u - 1.0) * remaining
                remaining *= 2.0 * math.sqrt(u * (1.0 - u))
                partial += 1
        cholesky[i * k + i] = remaining
        for j in range(k):
            root[i * k + j] = values[first_sd + i] * cholesky[i * k + j] if j <= i else 0.0


@piece
def _cholesky_back(block, values, cholesky, d_cholesky, d_values):
    """Add to `d_values` the derivatives by u of a function f with derivatives ∂f/∂L, (k, k).

    With R_ij = Π_{l<j} √(1 − r_il²), of which every later entry of row i is a multiple,

        ∂f/∂u_ij = 2 R_ij ∂f/∂L_ij + 2 (1 − 2u_ij)/(1 − r_ij²) Σ_{l>j} L_il ∂f/∂L_il.
    """
    k = block[Block.COLUMNS]
    partial = block[Block.FIRST_PARTIAL]
    for i in range(k):
        later = d_cholesky[i * k + i] * cholesky[i * k + i]
        for j in range(i - 1, -1, -1):
            u = values[partial + j]
            root = 2.0 * math.sqrt(u * (1.0 - u))
            remaining = 1.0
            for earlier in range(j):
                v = values[partial + earlier]
                remaining *= 2.0 * math.sqrt(v * (1.0 - v))
            d_values[partial + j] += 2.0 * d_cholesky[i * k + j] * remaining + later * 2.0 * (1.0 - 2.0 * u) / (
                root * root
            )
            later += d_cholesky[i * k + j] * cholesky[i * k + j]
        partial += i


@piece
def roots_back(block, values, cholesky, d_root, d_values):
    """Add to `d_values` the derivatives by σ and u of a function f with derivatives ∂f/∂M, (k, k), overwritten.

    ∂f/∂σ_i = Σ_j L_ij ∂f/∂M_ij, and ∂f/∂L_ij = σ_i ∂f/∂M_ij.
    """
    k = block[Block.COLUMNS]
    for i in range(k):
        for j in range(i + 1):
            d_values[block[Block.FIRST_SD] + i] += d_root[i * k + j] * cholesky[i * k + j]
            d_root[i * k + j] *= values[block[Block.FIRST_SD] + i]
    if block[Block.CORRELATED]:
        _cholesky_back(block, values, cholesky, d_root, d_values)
