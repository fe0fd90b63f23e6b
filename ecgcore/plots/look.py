"""Shared style of all figures: sizes, colours, markers, panels, legends; no global state."""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from numbers import Number
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

WIDTH_IN = 7.2
"""Width of a full-width figure: 720 CSS pixels, the book's column; readable unscaled in print."""

BLUE, GREY, BLACK = "#0072B2", "#666666", "#000000"
COLOURS = (BLUE, "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", BLACK)
"""Okabe and Ito (2008), *Color Universal Design*, without yellow, which is too light on white."""

TOWARDS_DISEASE, TOWARDS_NORMAL = "#C1272D", "#1F5FA8"
"""Red: a contribution that raises the logit. Blue: one that lowers it."""

MARKERS = "os^DvPX"
DASHES: Any = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)), (0, (8, 2)))


class BookFigure(Figure):
    """A Figure that a notebook displays even if pyplot was never imported."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=self.dpi)
        return buffer.getvalue()


@contextmanager
def style() -> Iterator[None]:
    """Apply the book's matplotlib settings in a ``with`` block or, as decorator, in a function."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rc("font", family="DejaVu Sans", size=9)  # comes with matplotlib: the same everywhere
        mpl.rc("axes", titlesize=10, titleweight="bold", titlelocation="left", labelsize=9)
        mpl.rc("axes", grid=True, axisbelow=True, prop_cycle=cycler(color=COLOURS))
        mpl.rc("axes.spines", top=False, right=False)
        mpl.rc("grid", color="#DDDDDD", linewidth=0.6)
        mpl.rc("legend", frameon=False, fontsize=8.5)
        mpl.rc("lines", linewidth=1.5, markersize=5.5)
        mpl.rc(("xtick", "ytick"), labelsize=8.5)
        mpl.rc("figure", dpi=150)
        yield


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


def in_order(values: Iterable[Any]) -> list[Any]:
    """Return distinct values: numbers ascending, anything else in order of appearance."""
    distinct = list(dict.fromkeys(values))
    return sorted(distinct) if all(isinstance(v, Number) for v in distinct) else distinct


def of_series(i: int) -> dict[str, Any]:
    """Return colour and line style of the i-th series."""
    return {"color": COLOURS[i % 7], "linestyle": DASHES[i % 5]}


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
    for end, colour in ((values.clip(0), TOWARDS_DISEASE), (values.clip(max=0), TOWARDS_NORMAL)):
        ax.fill_between(x, base, base + end, color=colour, alpha=0.8, linewidth=0, zorder=2)


def draw_intervals(ax: Axes, x: Any, table: pd.DataFrame, i: int, **options: Any) -> Any:
    """Draw columns ``value``, ``low`` and ``high`` of the i-th series; no bar where one is NaN."""
    bars = np.stack([table["value"] - table["low"], table["high"] - table["value"]]).clip(0)
    style = of_series(i) | {"marker": MARKERS[i % 7], "elinewidth": 1.1, "capsize": 2.5} | options
    return ax.errorbar(x, table["value"], yerr=np.nan_to_num(bars), **style)
