"""From whitened coordinates w to coordinates x, an arrow-shaped map (`bayesglmm.logdensity.whitening`), and back."""

from bayesglmm.compiled.abi import doubles, further, integers
from bayesglmm.compiled.pieces import summing
from bayesglmm.logdensity.layout import Header

__all__ = ["unwhiten", "whiten_gradient"]


@summing
def unwhiten(header, size, w, x, deviation):
    """Write x (dim,) of a whitened point w (dim,): core (c,) first, then leaves (m, k).

        core of x − middle = R_c · core of w
        leaf of x − middle = R_l (leaf of w − S · core of x − middle)

    with R_c and R_l upper triangular and S (k, c) of each leaf; `deviation` (dim,) holds x − middle in the order of w.
    """
    c, m, k = header[Header.CORE], header[Header.LEAVES], header[Header.LEAF_COLUMNS]
    core_root, strips = doubles(header[Header.CORE_ROOT]), doubles(header[Header.STRIPS])
    roots, middle = doubles(header[Header.LEAF_ROOTS]), doubles(header[Header.MIDDLE])
    places, leaves = integers(header[Header.PLACES]), further(deviation, c)
    for i in range(c):
        total = 0.0
        for j in range(i, c):
            total += core_root[i * c + j] * w[j]
        deviation[i] = total
    for j in range(m * k):
        leaves[j] = w[c + j]
    for i in range(c):
        factor, strip = deviation[i], further(strips, i * m * k)
        for j in range(m * k):
            leaves[j] -= strip[j] * factor
    for i in range(k):
        root = further(roots, (i * k + i) * m)
        for leaf in range(m):
            leaves[leaf * k + i] *= root[leaf]
        for j in range(i + 1, k):
            root = further(roots, (i * k + j) * m)
            for leaf in range(m):
                leaves[leaf * k + i] += root[leaf] * leaves[leaf * k + j]
    for i in range(size):
        x[places[i]] = middle[places[i]] + deviation[i]


@summing
def whiten_gradient(header, size, gradient, deviation):
    """Turn a gradient by x into one by w, (dim,), in place: the transpose of the map of `unwhiten`.

    by leaf of w = R_lᵀ · by leaf of x
    by core of w = R_cᵀ (by core of x − Σ Sᵀ · by leaf of w)
    """
    c, m, k = header[Header.CORE], header[Header.LEAVES], header[Header.LEAF_COLUMNS]
    core_root, strips = doubles(header[Header.CORE_ROOT]), doubles(header[Header.STRIPS])
    roots, places = doubles(header[Header.LEAF_ROOTS]), integers(header[Header.PLACES])
    leaves = further(deviation, c)
    for i in range(size):
        deviation[i] = gradient[places[i]]
    for j in range(k - 1, -1, -1):
        root = further(roots, (j * k + j) * m)
        for leaf in range(m):
            leaves[leaf * k + j] *= root[leaf]
        for i in range(j):
            root = further(roots, (i * k + j) * m)
            for leaf in range(m):
                leaves[leaf * k + j] += root[leaf] * leaves[leaf * k + i]
    for i in range(c):
        strip, total = further(strips, i * m * k), 0.0
        for j in range(m * k):
            total += strip[j] * leaves[j]
        deviation[i] -= total
    for j in range(c):
        total = 0.0
        for i in range(j + 1):
            total += core_root[i * c + j] * deviation[i]
        gradient[j] = total
    for j in range(c, size):
        gradient[j] = deviation[j]
