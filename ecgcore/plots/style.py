"""One look for all figures: sizes, colours, markers; no global state is touched."""

import functools
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
from cycler import cycler
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

WIDTH_IN = 7.2
"""Width of a full-width figure: 720 CSS pixels, the book's column; readable unscaled in print."""

BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
PURPLE, ORANGE, SKY, BLACK = "#CC79A7", "#E69F00", "#56B4E9", "#000000"
GREY = "#666666"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
"""Okabe & Ito (2008), *Color Universal Design*, without the yellow that white paper swallows."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[Any, ...] = (
    "solid",
    (0, (5, 1.5)),
    (0, (1.2, 1.2)),
    (0, (5, 1.5, 1.2, 1.5)),
    (0, (8, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (1, 3)),
)
SIGNED = LinearSegmentedColormap.from_list(
    "against_for", [BLUE, "#7FB8D8", "#FFFFFF", "#EAAE7F", VERMILLION]
)
"""Against (blue) to for (vermillion) the positive class, white at zero."""

_RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so a figure is the same everywhere
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=COLOURS),
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.5,
    "lines.markersize": 5.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "figure.dpi": 150,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "image.cmap": "cividis",
}


class BookFigure(Figure):
    """A Figure that notebooks show whether or not pyplot was ever imported."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=self.dpi)
        return buffer.getvalue()


@contextmanager
def style() -> Iterator[None]:
    """The book's matplotlib settings, inside a ``with`` block only."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


P = ParamSpec("P")
R = TypeVar("R")


def styled(plot: Callable[P, R]) -> Callable[P, R]:
    """Run a plot function inside :func:`style`."""

    @functools.wraps(plot)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with style():
            return plot(*args, **kwargs)

    return inside


def new_figure(height_in: float, *, width_in: float = WIDTH_IN) -> Figure:
    """An empty figure of the book, laid out so that nothing overlaps."""
    return BookFigure(figsize=(width_in, height_in), layout="constrained")


def look(i: int) -> dict[str, Any]:
    """Colour and line style of the i-th series."""
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)]}


def marker(i: int) -> str:
    """Marker of the i-th series."""
    return MARKERS[i % len(MARKERS)]


def in_order(values: Sequence[Any]) -> list[Any]:
    """Distinct values: numbers ascending, anything else in order of appearance."""
    distinct = list(dict.fromkeys(values))
    numeric = all(isinstance(v, (int, float)) or hasattr(v, "__index__") for v in distinct)
    return sorted(distinct) if numeric else distinct


def series_label(column: str, value: Any) -> str:
    """Words for a value of a column: ``100 Hz``, ``fold 2``, ``cnn1d``."""
    if column == "rate_hz":
        return f"{value:g} Hz"
    return value if isinstance(value, str) else f"{column} {value}"


def metric_label(name: str) -> str:
    """A metric's name as it is written: ``AUROC``, ``F1``, ``balanced accuracy``."""
    acronyms = {"auroc": "AUROC", "auprc": "AUPRC", "f1": "F1", "mcc": "MCC", "ece": "ECE"}
    return acronyms.get(name, name.replace("_", " "))
