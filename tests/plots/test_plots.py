"""Figures: they show the data given to them, stand alone and are readable."""

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.image import imread

from ecgcore import plots
from ecgcore.plots import look
from ecgcore.statistics import evaluate

RATE_HZ = 100
T = np.arange(1000) / RATE_HZ
BEATS = sum(np.exp(-(((T - k - 0.5) / 0.03) ** 2)) for k in range(10))
ECG_MV = (np.linspace(-1.5, 2, 12)[:, None] * BEATS).astype(np.float32)
ATTRIBUTION = np.sin(np.arange(1000) / 9) * ECG_MV
BOXES = pd.DataFrame(
    [("V2", 5.2, 5.7, 1), ("III", 1.0, 1.5, -1), ("II", 9.9, 10.4, 1)],
    columns=["lead", "start_s", "end_s", "sign"],
)
INTERVALS = pd.DataFrame(
    {"task": task, "model": model, "rate_hz": rate, "value": v, "low": v - 0.02, "high": v}
    for task, rate in (("norm_vs_mi", 100), ("norm_vs_cd", 500))
    for model, v in (("imn", 0.91), ("blackbox_cnn2d", 0.94))
)


HISTORY = pd.DataFrame({"train_loss": [3, 2, 1], "valid_loss": [3, 2, 2], "valid_f1": [0, 1, 1]})
COUNTS = pd.DataFrame([{"model": name, **evaluate([0, 1, 1], [0.1, 0.9, 0.2])} for name in "abc"])
FIGURES = {
    "ecg": lambda: plots.ecg_12_lead(ECG_MV, RATE_HZ, title="record 1"),
    "attribution": lambda: plots.ecg_12_lead(
        ECG_MV, RATE_HZ, ATTRIBUTION, title="x", mask=np.abs(ECG_MV) > 0.3, boxes=BOXES
    ),
    "column": lambda: plots.ecg_12_lead(ECG_MV, RATE_HZ, ATTRIBUTION, columns=1),
    "gap": lambda: plots.ecg_12_lead(
        np.hstack([ECG_MV[:, :320], np.full((12, 30), np.nan), -ECG_MV[:, :320]]),
        RATE_HZ,
        columns=1,
        title="left: A\nright: B",
    ),
    "resampling": lambda: plots.resampling_picture({100: ECG_MV[1], 50: ECG_MV[1, ::2]}),
    "response": lambda: plots.response(INTERVALS, panel="task", marks={"QRS": 110}),
    "by_rate": lambda: plots.response(INTERVALS),
    "noise": lambda: plots.response(INTERVALS, log=False, x_label="SNR [dB]"),
    "forest": lambda: plots.forest(INTERVALS, reference=0.9, margin=0.01),
    "answer": lambda: plots.answer_bars(
        [0.01, 0.02], [0, 0.01], [0.02, 0.04], ["as published", "noise added"], n=[2273, 500]
    ),
    "learning": lambda: plots.learning_curves(HISTORY, best_epoch=1),
    "counts": lambda: plots.class_counts(pd.Series({"A": 5, "B": 3})),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_stands_alone_and_is_readable(name):
    """No global setting changes, nothing is cut off, and no two texts overlap."""
    before = dict(mpl.rcParams)
    figure = FIGURES[name]()
    image = imread(io.BytesIO(figure._repr_png_()))
    assert dict(mpl.rcParams) == before
    assert figure.get_figwidth() <= look.WIDTH_IN + 1e-9
    ink = (image[..., :3].min(axis=2) < 0.6).mean()
    assert 0.002 < ink < 0.6
    for edge in (image[0], image[-1], image[:, 0], image[:, -1]):
        assert edge[..., :3].min() > 0.3
    check_texts(figure)


def check_texts(figure) -> None:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [t for fig in (figure, *figure.subfigs) for g in fig.legends for t in g.get_texts()]
    for ax in (ax for ax in figure.axes if ax.get_visible()):
        assert ax.get_xlabel() + ax.get_ylabel() + ax.get_title(loc="left")
        texts += [ax._left_title, ax.xaxis.label, ax.yaxis.label, *ax.texts]
    texts = [t for t in texts if t.get_text().strip()]
    assert all(t.get_fontsize() >= 7 for t in texts)
    boxes = [t.get_window_extent(canvas.get_renderer()).shrunk(0.9, 0.8) for t in texts]
    for i, box in enumerate(boxes):
        for other in range(i + 1, len(boxes)):
            assert not box.overlaps(boxes[other]), (texts[i], texts[other])


def test_one_millivolt_is_as_long_as_two_fifths_of_a_second():
    figure = plots.ecg_12_lead(ECG_MV, RATE_HZ)
    FigureCanvasAgg(figure).draw()
    (x0, y0), (x1, _), (_, y1) = figure.axes[0].transData.transform([(0, 0), (0.4, 0), (0, 1)])
    assert x1 - x0 == pytest.approx(y1 - y0, rel=1e-6)


def test_the_trace_is_the_signal():
    figure = plots.ecg_12_lead(ECG_MV, RATE_HZ, columns=2)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 100]
    assert len(lines) == 13
    shown = [ECG_MV[0, :500], ECG_MV[6, 500:], ECG_MV[1]]
    for line, expected in zip([lines[0], lines[1], lines[-1]], shown, strict=True):
        height = line.get_ydata() - line.get_ydata()[0]
        np.testing.assert_allclose(height, expected - expected[0], atol=1e-6)
    np.testing.assert_allclose(lines[1].get_xdata(), T[500:])


def test_red_is_above_towards_disease_and_blue_below_towards_normal():
    signal, attribution = np.zeros((12, 1000), np.float32), np.zeros((12, 1000))
    attribution[0, 100:110], attribution[0, 150:160] = 1.0, -0.5
    figure = plots.ecg_12_lead(signal, RATE_HZ, attribution)
    heights: dict[str, list[float]] = {}
    for area in (c for c in figure.axes[0].collections if isinstance(c, PolyCollection)):
        points = np.array([p for path in area.get_paths() for p in path.vertices[:, 1]])
        colour = mpl.colors.to_hex(area.get_facecolor()[0]).upper()
        heights.setdefault(colour, []).extend(points[points > -1.5])
    assert (min(heights["#C1272D"]), max(heights["#C1272D"])) == (0, 0.5)
    assert (min(heights["#1F5FA8"]), max(heights["#1F5FA8"])) == (-0.25, 0)
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["towards disease", "towards normal"]


def test_frames_lie_where_the_segments_are():
    figure = plots.ecg_12_lead(ECG_MV, RATE_HZ, boxes=BOXES)
    frames = figure.axes[0].patches
    assert sorted(round(p.get_x(), 2) for p in frames) == [1.0, 5.2, 9.9]
    assert frames[-1].get_width() == pytest.approx(0.1)  # cut off at the end of the record
