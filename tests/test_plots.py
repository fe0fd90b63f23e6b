"""Figures: they draw what they were given, on their own, and nothing is cut off or unreadable."""

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.image import imread

from ecgcore import plots
from ecgcore.compare import curve_bands
from ecgcore.errors import EcgcoreError
from ecgcore.metrics import decision_curve, evaluate
from ecgcore.plots.style import COLOURS

RATE_HZ = 100


def ecg(n_samples: int = 1000) -> np.ndarray:
    rng = np.random.default_rng(0)
    t = np.arange(n_samples) / RATE_HZ
    beats = sum(np.exp(-(((t - k - 0.5) / 0.03) ** 2)) for k in range(10))
    return (rng.uniform(-1.5, 2, (12, 1)) * beats).astype(np.float32)


def predictions(rates=(62, 500), models=("cnn1d", "cnn_lstm")) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    y = (rng.random(400) < 0.2).astype(int)
    parts = []
    for model in models:
        for rate in rates:
            score = 1 / (1 + np.exp(-(rng.normal(size=400) + 3 * y - 2)))
            parts.append(pd.DataFrame({"model": model, "rate_hz": rate, "y": y, "score": score}))
    return pd.concat(parts)


def intervals() -> pd.DataFrame:
    rows = [
        {"task": task, "model": model, "rate_hz": rate, "value": v, "low": v - 0.02, "high": v}
        for task, rate in (("norm_vs_mi", 100), ("norm_vs_cd", 500))
        for model, v in (("imn", 0.91), ("blackbox_cnn2d", 0.94))
    ]
    return pd.DataFrame(rows)


def bands(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(
        curve_bands(own.y, own.score, n_resamples=20, seed=1).assign(model=model, rate_hz=rate)
        for (model, rate), own in table.groupby(["model", "rate_hz"])
    )


def decisions(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(
        decision_curve(own.y, own.score).assign(model=model, rate_hz=rate)
        for (model, rate), own in table.groupby(["model", "rate_hz"])
    )


def boxes() -> pd.DataFrame:
    rows = [("V2", 5.2, 5.7, 1), ("III", 1.0, 1.5, -1), ("II", 9.9, 10.4, 1)]
    return pd.DataFrame(rows, columns=["lead", "start_s", "end_s", "sign"])


def deletion() -> pd.DataFrame:
    steps = np.array([0, 0.05, 0.2, 1.0])
    parts = [
        pd.DataFrame({"fraction": steps, "morf": 3 - 4 * steps, "lerf": 3 - steps})
        for _ in range(4)
    ]
    names = [(fill, method) for fill in ("bridge", "donor") for method in ("imn", "random")]
    return pd.concat([p.assign(fill=f, method=m) for p, (f, m) in zip(parts, names, strict=True)])


def every_figure() -> dict:
    signal, table = ecg(), predictions()
    attribution = np.sin(np.arange(1000) / 9) * signal
    counts = [{"model": "cnn1d", **evaluate(table["y"], table["score"])}] * 3
    history = pd.DataFrame(
        {"train_loss": [3, 2, 1], "valid_loss": [3, 2, 2], "valid_f1": [0, 1, 1]}
    )
    published = pd.DataFrame({"model": ["imn"], "rate_hz": [100], "value": [0.93]})
    return {
        "ecg": lambda: plots.ecg_12_lead(signal, RATE_HZ, title="record 1"),
        "attribution": lambda: plots.ecg_12_lead(
            signal, RATE_HZ, attribution, title="x", mask=np.abs(signal) > 0.3
        ),
        "short": lambda: plots.ecg_12_lead(
            signal, RATE_HZ, attribution, columns=1, start_s=1, window_s=3
        ),
        "map": lambda: plots.attribution_map(attribution, RATE_HZ),
        "resampling": lambda: plots.resampling_picture({100: signal[1], 50: signal[1, ::2]}),
        "roc": lambda: plots.roc_pr(table),
        "roc_bands": lambda: plots.roc_pr(table, bands=bands(table)),
        "response": lambda: plots.response(
            intervals(), x="rate_hz", line="model", panel="task", log=True, marks={"QRS": 110}
        ),
        "decisions": lambda: plots.decision_curves(decisions(table), line="rate_hz"),
        "matrices": lambda: plots.matrices(
            intervals().assign(test_hz=62), row="rate_hz", column="test_hz", panel="model"
        ),
        "reliability": lambda: plots.reliability(table),
        "by_rate": lambda: plots.metric_by_rate(intervals(), published=published),
        "forest": lambda: plots.forest(intervals(), reference=0.9, margin=0.01),
        "learning": lambda: plots.learning_curves(history, best_epoch=1),
        "confusion": lambda: plots.confusion(pd.DataFrame(counts)),
        "boxes": lambda: plots.ecg_12_lead(signal, RATE_HZ, attribution, boxes=boxes()),
        "leads": lambda: plots.lead_bars(attribution, -12.0, title="record 1"),
        "beats": lambda: plots.beat_averages(
            np.arange(-30, 51) / RATE_HZ,
            {"ill": signal[:, 120:201], "healthy": 0.5 * signal[:, 120:201]},
            {"ill": attribution[:, 120:201], "healthy": -attribution[:, 120:201]},
        ),
        "deletion": lambda: plots.deletion_picture(deletion()),
        "ranks": lambda: plots.critical_difference(
            pd.Series({"imn": 2.5, "blackbox_cnn2d": 1.0, "imn_direct": 4.0, "imn_plus": 2.5}), 1.6
        ),
        "counts": lambda: plots.class_counts(pd.DataFrame({"records": [5, 3]}, index=["A", "B"])),
    }


def drawn(figure):
    """Lay the figure out; gives the renderer."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas.get_renderer()


@pytest.mark.parametrize("name", list(every_figure()))
def test_a_figure_stands_alone(name):
    """No global setting changes, pyplot is not needed, and the image is of the book's width."""
    before = dict(mpl.rcParams)
    figure = every_figure()[name]()
    image = imread(io.BytesIO(figure._repr_png_()))
    assert dict(mpl.rcParams) == before
    assert image.shape[1] == pytest.approx(figure.get_figwidth() * 150, abs=2)
    assert figure.get_figwidth() <= 7.2 + 1e-9
    ink = (image[..., :3].min(axis=2) < 0.6).mean()
    assert 0.002 < ink < 0.6
    for edge in (image[0], image[-1], image[:, 0], image[:, -1]):
        assert edge[..., :3].min() > 0.3  # nothing dark is cut off at the border


@pytest.mark.parametrize("name", list(every_figure()))
def test_text_is_readable_and_axes_are_named(name):
    figure = every_figure()[name]()
    drawn(figure)
    for ax in figure.axes:
        if not ax.get_visible():
            continue
        sizes = [t.get_fontsize() for t in ax.texts]
        sizes += [t.get_fontsize() for t in (*ax.get_xticklabels(), *ax.get_yticklabels())]
        assert all(size >= 7 for size in sizes)
        words = ax.get_xlabel() + ax.get_ylabel() + ax.get_title(loc="left")
        assert words or ax.get_label() == "inset_axes"


@pytest.mark.parametrize("name", list(every_figure()))
def test_no_two_texts_overlap(name):
    figure = every_figure()[name]()
    renderer = drawn(figure)
    boxes = []
    for ax in figure.axes:
        texts = [ax.title, ax._left_title, ax.xaxis.label, ax.yaxis.label]
        if ax.get_legend() is not None:
            texts += ax.get_legend().get_texts()
        if ax is figure.axes[0]:
            texts += [t for legend in figure.legends for t in legend.get_texts()]
        boxes += [
            (t.get_text(), t.get_window_extent(renderer).shrunk(0.9, 0.8))
            for t in texts
            if t.get_text() and ax.get_visible()
        ]
    for i, (one, box) in enumerate(boxes):
        for other, box_of_other in boxes[i + 1 :]:
            assert not box.overlaps(box_of_other), (one, other)


def test_a_millivolt_is_as_high_as_two_fifths_of_a_second():
    figure = plots.ecg_12_lead(ecg(), RATE_HZ)
    drawn(figure)
    (x0, y0), (x1, _), (_, y1) = figure.axes[0].transData.transform([(0, 0), (0.4, 0), (0, 1)])
    assert x1 - x0 == pytest.approx(y1 - y0, rel=1e-6)


def test_the_trace_is_the_signal():
    signal = ecg()
    figure = plots.ecg_12_lead(signal, RATE_HZ, columns=2, rhythm_lead="V1")
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 100]
    assert len(lines) == 13
    shown = [signal[0, :500], signal[6, 500:], signal[6]]
    for line, expected in zip([lines[0], lines[1], lines[-1]], shown, strict=True):
        height = line.get_ydata() - line.get_ydata()[0]
        np.testing.assert_allclose(height, expected - expected[0], atol=1e-6)
    np.testing.assert_allclose(lines[0].get_xdata(), np.arange(500) / RATE_HZ)
    np.testing.assert_allclose(lines[1].get_xdata(), np.arange(500, 1000) / RATE_HZ)


def test_attribution_is_drawn_above_for_and_below_against():
    signal, attribution = np.zeros((12, 1000), np.float32), np.zeros((12, 1000))
    attribution[0, 100:110], attribution[0, 150:160] = 1.0, -1.0
    figure = plots.ecg_12_lead(
        signal, RATE_HZ, attribution, rhythm_lead=None, attribution_scale=1.0
    )
    reach = {}
    for area in (c for c in figure.axes[0].collections if isinstance(c, PolyCollection)):
        if area.get_paths():
            points = np.concatenate([p.vertices for p in area.get_paths()])
            heights = points[points[:, 1] > -0.9, 1]  # the first row
            colour = mpl.colors.to_hex(area.get_facecolor()[0]).upper()
            reach.setdefault(colour, []).append((heights.min(initial=0), heights.max(initial=0)))
    for_class, against = reach["#D55E00"], reach["#0072B2"]
    assert max(high for _, high in for_class) == pytest.approx(0.5)
    assert min(low for low, _ in against) == pytest.approx(-0.5)
    assert max(high for _, high in against) == 0


def test_frames_lie_where_the_segments_are():
    figure = plots.ecg_12_lead(ecg(), RATE_HZ, boxes=boxes(), rhythm_lead="II")
    frames = [p for p in figure.axes[0].patches if p.get_width() < 2]
    starts = sorted(round(p.get_x(), 2) for p in frames)
    assert starts == [1.0, 5.2, 9.9]  # II at 9.9 s is in the rhythm strip only
    assert frames[-1].get_width() == pytest.approx(0.1)  # cut off at the end of the record
    assert {p.get_linestyle() for p in frames} == {"-", "--"}


def test_bars_of_leads_and_bias_add_up_to_the_logit():
    rng = np.random.default_rng(0)
    contribution = rng.normal(size=(12, 50))
    figure = plots.lead_bars(contribution, 1.5)
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert len(heights) == 26
    assert sum(heights) == pytest.approx(contribution.sum() + 1.5)


def test_ranks_that_do_not_differ_are_joined():
    ranks = pd.Series({"a": 1.0, "b": 1.9, "c": 3.5, "d": 3.6})
    lines = plots.critical_difference(ranks, 1.0).axes[0].lines
    bars = [line.get_xdata() for line in lines if line.get_linewidth() > 3]
    assert len(bars) == 2
    np.testing.assert_allclose(bars, [[0.96, 1.94], [3.46, 3.64]])


def test_published_values_are_marked_apart():
    published = pd.DataFrame({"model": ["imn"], "rate_hz": [100], "value": [0.93]})
    figure = plots.metric_by_rate(intervals(), published=published)
    stars = [line for line in figure.axes[0].lines if line.get_marker() == "*"]
    assert [line.get_ydata().tolist() for line in stars if len(line.get_ydata())] == [[0.93]]
    assert all(line.get_linestyle() == "None" for line in stars)


def test_an_interval_that_could_not_be_computed_is_left_out():
    table = intervals()
    table.loc[0, ["low", "high"]] = np.nan
    figure = plots.forest(table)
    assert any(text.get_text() == "0.910" for text in figure.axes[0].texts)
    plots.metric_by_rate(table)._repr_png_()


def luminance(colour: str) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in mpl.colors.to_rgb(colour)
    ]
    red, green, blue = linear
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_lines_stand_out_from_paper():
    for colour in COLOURS[:4]:
        assert 1.05 / (luminance(colour) + 0.05) >= 2.7, colour


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plots.ecg_12_lead(np.zeros((8, 100)), 100), r"\(12, sample\)"),
        (lambda: plots.ecg_12_lead(ecg(), 100, ecg()[:, :9]), "attribution"),
        (lambda: plots.ecg_12_lead(ecg(), 100, columns=5), "columns"),
        (lambda: plots.ecg_12_lead(ecg(), 100, rhythm_lead="V7"), "V7"),
        (lambda: plots.ecg_12_lead(ecg(), 100, start_s=11), "10 s"),
        (lambda: plots.roc_pr(pd.DataFrame({"y": [1]})), "score"),
        (lambda: plots.learning_curves(pd.DataFrame({"loss": [1]})), "train_"),
    ],
)
def test_wrong_data_is_named(call, words):
    with pytest.raises(EcgcoreError, match=words):
        call()


def test_real_record(ptbxl_500):
    import wfdb

    record = wfdb.rdrecord(str(next((ptbxl_500 / "records100").rglob("*.hea")).with_suffix("")))
    figure = plots.ecg_12_lead(record.p_signal.T, record.fs, title="real")
    assert len(figure._repr_png_()) > 50_000
