"""One look for all figures: sizes, colours, markers, panels and legends, without global state."""

import functools
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from numbers import Number
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ecgcore.errors import EcgcoreError

WIDTH_IN = 7.2
"""Width of a full-width figure: 720 CSS pixels, the book's column; readable unscaled in print."""

BLUE, GREY, BLACK = "#0072B2", "#666666", "#000000"
COLOURS = (BLUE, "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", BLACK)
"""Okabe and Ito (2008), *Color Universal Design*, without yellow, which is too light on white."""

TOWARDS_DISEASE, TOWARDS_NORMAL = "#C1272D", "#1F5FA8"
"""Red: a contribution that raises the logit. Blue: one that lowers it."""

MARKERS = "os^DvPX"
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.2, 1.2)),
    (0, (5, 1.5, 1.2, 1.5)),
    (0, (8, 2)),
)
STAR: dict[str, Any] = {"ls": "none", "marker": "*", "ms": 10, "mfc": "white", "mec": BLACK}
"""A published value: an open star, never joined by lines, since it comes from other data."""

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
}


class BookFigure(Figure):
    """A Figure that a notebook displays even if pyplot was never imported."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=self.dpi)
        return buffer.getvalue()


@contextmanager
def style() -> Iterator[None]:
    """Apply the book's matplotlib settings inside a ``with`` block."""
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


def require_columns(table: pd.DataFrame, columns: Iterable[str], name: str) -> None:
    """Raise :class:`EcgcoreError` that names the first of these columns that a table lacks."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise EcgcoreError(f"{name}: column {missing[0]!r} is missing; it has {list(table)}.")


def new_figure(height_in: float, *, width_in: float = WIDTH_IN) -> Figure:
    """Return an empty figure of the book with a layout in which nothing overlaps."""
    return BookFigure(figsize=(width_in, height_in), layout="constrained")


def new_panels(
    names: list[Any], n_columns: int, height_in: float, *, x: str, y: str, **options: Any
) -> tuple[Figure, dict[Any, Axes]]:
    """Return a figure and its axes by name, in rows of ``height_in``; outer axes get labels.

    ``options`` are those of ``Figure.subplots``.
    """
    n, n_columns = len(names), min(len(names), n_columns)
    n_rows = -(-n // n_columns)
    fig = new_figure(height_in * n_rows + 0.5)
    axes = fig.subplots(n_rows, n_columns, squeeze=False, **options).ravel()
    for i, ax in enumerate(axes):
        ax.set_visible(i < n)
        ax.set_ylabel("" if i % n_columns else y)
        if i + n_columns >= n:
            ax.set_xlabel(x)
            ax.xaxis.set_tick_params(labelbottom=True)
    return fig, dict(zip(names, axes, strict=False))


def series(
    part: pd.DataFrame, whole: pd.DataFrame, column: str
) -> Iterator[tuple[int, str, pd.DataFrame]]:
    """Yield number, label (``100 Hz``, ``fold 2``, ``cnn1d``) and rows of each series in ``part``.

    Series are the values of ``column`` in ``whole``, so that a series looks the same in all panels.
    """
    for i, value in enumerate(in_order(whole[column])):
        rows = part[part[column] == value]
        label = value if isinstance(value, str) else f"{column} {value}"
        if len(rows):
            yield i, f"{value:g} Hz" if column == "rate_hz" else label, rows


def colour(i: int) -> str:
    """Return the colour of the i-th series."""
    return COLOURS[i % len(COLOURS)]


def of_series(i: int) -> dict[str, Any]:
    """Return colour and line style of the i-th series."""
    return {"color": colour(i), "linestyle": DASHES[i % len(DASHES)]}


def in_order(values: Iterable[Any]) -> list[Any]:
    """Return distinct values: numbers ascending, anything else in order of appearance."""
    distinct = list(dict.fromkeys(values))
    return sorted(distinct) if all(isinstance(v, Number) for v in distinct) else distinct


def legend_below(fig: Any, handles: Iterable[Any], n_columns: int = 4, **options: Any) -> None:
    """Put one legend with the labelled ``handles``, each label once, below all axes."""
    unique = {handle.get_label(): handle for handle in handles}
    options |= {"loc": "outside lower center", "ncols": min(n_columns, len(unique))}
    fig.legend(handles=list(unique.values()), **options)


def sign_handles() -> list[Patch]:
    """Return the legend entries of the two colours of an explanation."""
    words = {"towards disease": TOWARDS_DISEASE, "towards normal": TOWARDS_NORMAL}
    return [Patch(color=colour, label=label) for label, colour in words.items()]


def draw_signed_area(ax: Axes, x: Any, base: Any, values: Any) -> None:
    """Fill between ``base`` and ``base + values``: red above it, blue below it."""
    for sign, colour in ((1, TOWARDS_DISEASE), (-1, TOWARDS_NORMAL)):
        end = base + np.clip(sign * values, 0, None) * sign
        ax.fill_between(x, base, end, color=colour, alpha=0.8, linewidth=0, zorder=2)


def draw_intervals(ax: Axes, x: Any, table: pd.DataFrame, i: int, **options: Any) -> Any:
    """Draw columns ``value``, ``low`` and ``high`` of the i-th series; no bar where one is NaN."""
    bars = np.stack([table["value"] - table["low"], table["high"] - table["value"]]).clip(0)
    how = of_series(i) | {"marker": MARKERS[i % 7], "elinewidth": 1.1, "capsize": 2.5} | options
    return ax.errorbar(x, table["value"], yerr=np.nan_to_num(bars), **how)
