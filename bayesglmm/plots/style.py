"""One style for every figure: colours that differ in grey print and to the colour-blind; labels as plain text.

References
----------
Tol (2021), Colour Schemes, SRON/EPS/TN/09-002: the high-contrast scheme.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager, get_font
from numpy.typing import NDArray
from PIL import Image

from bayesglmm.common.names import columns_text
from bayesglmm.common.text import cut, plain
from bayesglmm.errors import OptionError
from bayesglmm.posterior.inference import is_posterior
from bayesglmm.posterior.moments import interval

__all__ = [
    "BAD",
    "COLOURS",
    "DPI",
    "GREY",
    "INK",
    "LONGEST",
    "MARKERS",
    "WRAPPED",
    "Picture",
    "as_labels",
    "columns_text",
    "drawn",
    "forest_rows",
    "frameless",
    "intervals_text",
    "label",
    "median_text",
    "new_figure",
    "quantiles",
    "wrapped",
]

INK = "#1a1a1a"
GREY = "#8a8a8a"
BAD = "#b00020"
COLOURS = ("#004488", "#bb5566", "#ddaa33", "#6699cc", "#000000", "#997700", "#ee99aa", "#777777")
"""Colours of groups, in order; the first three differ in lightness as much as in hue."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DPI = 200

LONGEST = 60
"""The longest label, in characters; the middle of longer ones is left out."""

WRAPPED = 160
"""The longest text that is wrapped into lines, in characters."""

_STYLE: dict[str, Any] = {
    "text.parse_math": False,  # a label is text, whatever dollar signs it has
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.titleweight": "normal",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "axes.grid": False,
    "axes.axisbelow": True,
    "axes.facecolor": "white",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": DPI,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "butt",
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "legend.title_fontsize": 8.0,
    "hatch.linewidth": 0.5,
}


_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans",
    "Hiragino Sans",
    "PingFang SC",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Nirmala UI",
    "Arial Unicode MS",
)
"""The first comes with matplotlib; the others, where installed, have the characters that it lacks."""

_KEPT = ("backend", "interactive", "timezone", "toolbar", "tk.", "webagg.", "date.", "figure.max_open_warning")
"""Prefixes of matplotlib's settings that do not concern the style: they stay as the user has them."""


@cache
def _fonts() -> tuple[str, ...]:
    installed = set(fontManager.get_font_names())
    return tuple(name for name in _FONTS if name in installed)


@cache
def _glyphs() -> frozenset[int]:
    """Return the code points that the figures' fonts have."""
    return frozenset().union(*(get_font(fontManager.findfont(name)).get_charmap() for name in _fonts()))


@contextmanager
def _styled() -> Iterator[None]:
    """Use the package's style over matplotlib's defaults, and restore the user's settings afterwards."""
    before: Any = {key: mpl.rcParamsDefault[key] for key in mpl.rcParamsDefault if not key.startswith(_KEPT)}
    with mpl.rc_context(before | _STYLE | {"font.sans-serif": list(_fonts())}):
        yield


class Picture(Figure):
    """A matplotlib figure in the package's style that a notebook shows without pyplot; its label is its caption.

    Text between dollar signs is not read as mathematics, unless a text has `set_parse_math(True)`.
    """

    def _repr_png_(self) -> bytes:
        return self.png()

    def draw(self, renderer: RendererBase) -> None:
        """Draw the figure in the package's style, in which matplotlib creates the ticks."""
        with _styled():
            super().draw(renderer)

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save the figure as matplotlib does, by default at 200 dots per inch."""
        with _styled():
            super().savefig(fname, **{"dpi": DPI, **options})

    def png(self, dpi: int = DPI, colours: int | None = None) -> bytes:
        """Return the figure as the bytes of a PNG file.

        Parameters
        ----------
        dpi
            Dots per inch.
        colours
            The largest number of colours, from 2 to 256; None for all. With 64 the file is about a quarter as large.

        Raises
        ------
        OptionError
            For a number of colours outside 2 to 256.
        """
        if colours is not None and not 2 <= colours <= 256:
            raise OptionError(f"colours={colours!r} is not from 2 to 256; None keeps all of them")
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=dpi)
        if colours is None:
            return buffer.getvalue()
        small = BytesIO()
        with Image.open(buffer) as image:
            image.convert("RGB").quantize(colours, dither=Image.Dither.NONE).save(small, "png", optimize=True)
        return small.getvalue()


@contextmanager
def new_figure(width: float, height: float, caption: str) -> Iterator[Picture]:
    """Make a figure in the package's style.

    Parameters
    ----------
    width, height
        Size (inches).
    caption
        What it shows, with estimand and frame: the figure's label.
    """
    with _styled():
        picture = Picture(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(picture)
        picture.set_label(plain(caption))
        yield picture


def drawn(text: object) -> str:
    r"""Return text from the data or the user as one line, characters that the fonts lack as `\u65e5`."""
    line = plain(text)
    if not line.strip():
        return f'"{line}"'
    if line.isascii():
        return line
    return "".join(c if ord(c) in _glyphs() else c.encode("unicode_escape").decode("ascii") for c in line)


def label(text: object, most: int = LONGEST) -> str:
    """Return text from the data or the user as a figure shows it: one line of at most `most` characters."""
    return as_labels([text], most)[0]


def as_labels(texts: Iterable[object], most: int = LONGEST) -> list[str]:
    """Return texts as `label` does; texts that would be shortened to the same are numbered."""
    return cut([drawn(text) for text in texts], most)


def wrapped(text: object, width: int) -> str:
    """Return text from the data or the user, at most 160 characters, wrapped at `width` characters."""
    return fill(label(text, WRAPPED), width)


def frameless(axes: Axes) -> None:
    """Remove the left spine and its ticks from a forest."""
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def quantiles(draws: NDArray[np.float64], ci_prob: float) -> NDArray[np.float64]:
    """Return what a forest shows of draws (s, k), shape (5, k): lower end, quartiles with the median, upper end."""
    lower, upper = interval(ci_prob)
    return np.asarray(np.quantile(draws, (lower, 0.25, 0.5, 0.75, upper), axis=0))


def median_text(draws: xr.DataArray) -> str:
    """Say of what distribution a median is."""
    return "posterior median" if is_posterior(draws) else "median of the asymptotic normal"


def intervals_text(ci_prob: float, draws: xr.DataArray) -> str:
    """Say what the rows of a forest of draws are."""
    return f"{median_text(draws)}, 50 % interval (thick) and {100 * ci_prob:g} % equal-tailed interval (thin)"


def forest_rows(
    axes: Axes,
    values: NDArray[np.float64],
    heights: NDArray[np.float64],
    weight: float = 1.0,
    reference: float | None = 0.0,
) -> None:
    """Draw rows of a forest: interval thin, 50 % interval thick, median as a point, a reference as a line.

    Parameters
    ----------
    axes
        The axes to draw on.
    values
        (5, k) as `quantiles` returns them.
    heights
        (k,) vertical positions of the rows.
    weight
        Factor of line widths and point sizes; less than 1 for many rows.
    reference
        Position of the dashed line, None for none.
    """
    many = weight < 0.5
    if reference is not None:
        axes.axvline(reference, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0, gid="zero")
    axes.hlines(
        heights,
        values[0],
        values[4],
        color=GREY if many else INK,
        linewidth=0.6 if many else 1.0 * weight,
        gid="interval",
    )
    axes.hlines(heights, values[1], values[3], color=COLOURS[0], linewidth=3.2 * weight, gid="interval50")
    axes.plot(
        values[2],
        heights,
        "o",
        color="white",
        markeredgecolor=INK,
        markeredgewidth=0.0 if many else 0.9 * weight,
        markersize=1.3 if many else 4.2 * weight,
        gid="median",
    )
    axes.set_ylim(heights.min() - 0.7, heights.max() + 0.7)
