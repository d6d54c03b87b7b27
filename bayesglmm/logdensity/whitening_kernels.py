"""From whitened coordinates w to coordinates x, an arrow-shaped map (`bayesglmm.logdensity.whitening`), and back."""

from bayesglmm.compiled.abi import doubles, further, integers
from bayesglmm.compiled.pieces import summing
from bayesglmm.logdensity.layout import Header

__all__ = ["colour", "pull_back"]


@summing
def colour(header, size, w, x, moved):
    """Write the coordinates x of a whitened point w: x − middle is an arrow-shaped linear map of w."""
    c, m, k = header[Header.CORE], header[Header.LEAVES], header[Header.LEAF_COLUMNS]
    core_root, strips = doubles(header[Header.CORE_ROOT]), doubles(header[Header.STRIPS])
    roots, middle = doubles(header[Header.LEAF_ROOTS]), doubles(header[Header.MIDDLE])
    places, leaves = integers(header[Header.PLACES]), further(moved, c)
    for i in range(c):
        total = 0.0
        for j in range(i, c):
            total += core_root[i * c + j] * w[j]
        moved[i] = total
    for j in range(m * k):
        leaves[j] = w[c + j]
    for i in range(c):
        along, strip = moved[i], further(strips, i * m * k)
        for j in range(m * k):
            leaves[j] -= strip[j] * along
    for i in range(k):
        root = further(roots, (i * k + i) * m)
        for leaf in range(m):
            leaves[leaf * k + i] *= root[leaf]
        for j in range(i + 1, k):
            root = further(roots, (i * k + j) * m)
            for leaf in range(m):
                leaves[leaf * k + i] += root[leaf] * leaves[leaf * k + j]
    for i in range(size):
        x[places[i]] = middle[places[i]] + moved[i]


@summing
def pull_back(header, size, grad, moved):
    """Turn a gradient with respect to x into one with respect to w, in place: the transpose of `colour`."""
    c, m, k = header[Header.CORE], header[Header.LEAVES], header[Header.LEAF_COLUMNS]
    core_root, strips = doubles(header[Header.CORE_ROOT]), doubles(header[Header.STRIPS])
    roots, places = doubles(header[Header.LEAF_ROOTS]), integers(header[Header.PLACES])
    leaves = further(moved, c)
    for i in range(size):
        moved[i] = grad[places[i]]
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
        moved[i] -= total
    for j in range(c):
        total = 0.0
        for i in range(j + 1):
            total += core_root[i * c + j] * moved[i]
        grad[j] = total
    for j in range(c, size):
        grad[j] = moved[j]
