"""The likelihood: η = o + Xβ + Σ Zb, Σ log f(y | η) by the link's and the family's kernels, and the way back.

Rows are worked on by chunks, so that what is written is still in the cache when it is read. Arguments of all kernels:
`header` and `block` are the tables `Header` and `Block`; `values` (g,) are the values of the globals; `b` are effects
on the scale of the linear predictor, level by level; `start` is the first row of a chunk and `count` its number of
rows; `d_…` are derivatives of the log likelihood ℓ, which are added to.
"""

from bayesglmm.compiled.abi import call_family, call_link, doubles, further, indices
from bayesglmm.compiled.pieces import piece, summing
from bayesglmm.compiled.workspace import CHUNK, WORK, Work
from bayesglmm.logdensity.coordinates import block_of
from bayesglmm.logdensity.layout import Block, Header

__all__ = ["chunk_size", "fill_zero", "likelihood", "linear_predictor", "row_likelihood"]

_ETA, _LL, _D_ETA = (CHUNK * place for place in (Work.ETA, Work.LL, Work.D_ETA))


@summing
def fill_zero(out, n):
    """Write zeros (n,)."""
    for i in range(n):
        out[i] = 0.0


@piece
def chunk_size(n, start):
    """Return the number of rows of the chunk of n rows that begins at `start`."""
    return CHUNK if n - start > CHUNK else n - start


@summing
def _add_columns(eta, x, beta, start, count, n, columns):
    """Add Σ_j x_ij β_j to η (count,), of Xᵀ (columns, n)."""
    for j in range(columns):
        coefficient, column = beta[j], further(x, j * n + start)
        for i in range(count):
            eta[i] += column[i] * coefficient


@summing
def _add_columns_back(d_eta, x, d_beta, start, count, n, columns):
    """Add Σ_i x_ij ∂ℓ/∂η_i to ∂ℓ/∂β_j."""
    for j in range(columns):
        column, total = further(x, j * n + start), 0.0
        for i in range(count):
            total += column[i] * d_eta[i]
        d_beta[j] += total


@summing
def _add_effects(eta, block, b, start, count, n):
    """Add Σ_j z_ij b_j of the level of each row to η (count,), from b (m, k)."""
    k, index = block[Block.COLUMNS], further(indices(block[Block.INDEX]), start)
    if block[Block.INTERCEPT_ONLY]:
        for i in range(count):
            eta[i] += b[index[i]]
        return
    for j in range(k):
        column = further(doubles(block[Block.Z]), j * n + start)
        for i in range(count):
            eta[i] += b[index[i] * k + j] * column[i]


@summing
def _add_effects_back(d_eta, block, d_b, start, count, n):
    """Add Σ z_ij ∂ℓ/∂η_i over the rows i of each level to ∂ℓ/∂b_j, (m, k)."""
    k, index = block[Block.COLUMNS], further(indices(block[Block.INDEX]), start)
    if block[Block.INTERCEPT_ONLY]:
        for i in range(count):
            d_b[index[i]] += d_eta[i]
        return
    for j in range(k):
        column = further(doubles(block[Block.Z]), j * n + start)
        for i in range(count):
            d_b[index[i] * k + j] += d_eta[i] * column[i]


@summing
def linear_predictor(header, values, b, eta, start, count):
    """Write η = o + β₀ + Xβ + Σ Zb of a chunk, (count,), from b (dim − g,) of all blocks."""
    n, p, first = header[Header.ROWS], header[Header.SLOPES], header[Header.INTERCEPT]
    offset = further(doubles(header[Header.OFFSET]), start * header[Header.OFFSET_VARIES])
    intercept = values[0] if first else 0.0
    for i in range(count):
        eta[i] = offset[i] + intercept
    _add_columns(eta, doubles(header[Header.X]), further(values, first), start, count, n, p)
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        _add_effects(eta, block, further(b, block[Block.FIRST_COORDINATE] - header[Header.GLOBALS]), start, count, n)


@piece
def row_likelihood(header, work, values, start, count):
    """Write the weighted log likelihood of the rows of a chunk with η in `work`, and its derivatives (see `Work`)."""
    call_link(header[Header.LINK], count, work)
    call_family(
        header[Header.FAMILY],
        count,
        header[Header.Y] + 8 * start,
        header[Header.TRIALS] + 8 * start * header[Header.TRIALS_VARY],
        work,
        further(values, header[Header.FIRST_PARAMETER]),
    )
    if header[Header.WEIGHTED]:
        weights = further(doubles(header[Header.WEIGHTS]), start)
        for place in range(Work.LL, WORK + header[Header.PARAMETERS]):
            _multiply(further(work, CHUNK * place), weights, count)


@summing
def _multiply(values, weights, count):
    """Multiply values (count,) by the weights of the rows."""
    for i in range(count):
        values[i] *= weights[i]


@summing
def _sum(values, count):
    """Return Σ values (count,)."""
    total = 0.0
    for i in range(count):
        total += values[i]
    return total


@summing
def _linear_predictor_back(header, d_eta, d_b, d_values, start, count):
    """Add Xᵀ ∂ℓ/∂η to the derivatives by coefficients, and Zᵀ ∂ℓ/∂η to those by effects (dim − g,)."""
    n, p, first = header[Header.ROWS], header[Header.SLOPES], header[Header.INTERCEPT]
    if first:
        d_values[0] += _sum(d_eta, count)
    _add_columns_back(d_eta, doubles(header[Header.X]), further(d_values, first), start, count, n, p)
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        _add_effects_back(
            d_eta, block, further(d_b, block[Block.FIRST_COORDINATE] - header[Header.GLOBALS]), start, count, n
        )


@piece
def likelihood(header, space, values, b, d_b, d_values):
    """Return ℓ = Σ log f(y | η) over all rows; add its derivatives by globals (g,) and by effects b (dim − g,)."""
    work, d_parameters = further(space, header[Header.AT_WORK]), further(d_values, header[Header.FIRST_PARAMETER])
    total = 0.0
    for start in range(0, header[Header.ROWS], CHUNK):
        count = chunk_size(header[Header.ROWS], start)
        linear_predictor(header, values, b, further(work, _ETA), start, count)
        row_likelihood(header, work, values, start, count)
        total += _sum(further(work, _LL), count)
        for j in range(header[Header.PARAMETERS]):
            d_parameters[j] += _sum(further(work, CHUNK * (WORK + j)), count)
        _linear_predictor_back(header, further(work, _D_ETA), d_b, d_values, start, count)
    return total
