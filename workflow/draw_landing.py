"""Draw the picture of the landing page: ``python workflow/draw_landing.py PTBXL RUN``.

PTBXL and RUN are those of ``draw_real_explanations.py``, whose rule also chooses the record: the
first infarction that the network recognises. The picture shows lead I, which contains the strongest
window of the explanation, and the leads that usually show an inferior infarction, from one second
before that window. It is small with large lettering, so that a phone shows it without scaling.
"""

import sys
from pathlib import Path

import numpy as np
from draw_real_explanations import FOLDER, WINDOW_S, inputs
from draw_real_records import path_of
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ecgcore import explanations
from ecgcore.data import Archive, load_record
from ecgcore.leads import LEADS
from ecgcore.plots import look
from ecgcore.runs import recorded
from ecgcore.runs.trained import load_trained_run

KIND = "infarction_right"
BEFORE_S, SHOWN_S = 1.0, 2.6


@look.style()
def draw(signals_mv: np.ndarray, contribution: np.ndarray, start_s: float, hz: float) -> Figure:
    """Return a figure of a few leads around the strongest window, which is framed."""
    top = explanations.top_segments(contribution, hz, window_s=WINDOW_S, k=1)
    strongest = top[top.sign > 0].iloc[0]
    expected = [lead for lead in ("II", "III", "aVF") if lead != strongest.lead]
    first = round((start_s - BEFORE_S) * hz)
    part = slice(first, first + round(SHOWN_S * hz))
    t = np.arange(signals_mv.shape[1])[part] / hz
    scale = 0.5 / np.percentile(np.abs(contribution), 99)
    fig = look.new_figure(3.9, width_in=4.2)
    ax = fig.add_subplot()
    for row, lead in enumerate([strongest.lead, *expected]):
        k, level = LEADS.index(lead), -1.5 * row
        trace = signals_mv[k, part] + level
        look.draw_signed_area(ax, t, trace, np.clip(contribution[k, part] * scale, -1, 1))
        ax.plot(t, trace, color=look.BLACK, linewidth=1, zorder=3)
        ax.text(t[0] - 0.06, level, lead, fontsize=13, fontweight="bold", ha="right", va="center")
        if lead == strongest.lead:
            corner = (strongest.start_s, float(trace.min()) - 0.1)
            size = (WINDOW_S, float(np.ptp(trace)) + 0.45)
            ax.add_patch(Rectangle(corner, *size, fill=False, ec=look.TOWARDS_DISEASE, lw=1.6))
    ax.plot([t[-1] + 0.06] * 2, [level, level + 1], color=look.BLACK, linewidth=2, clip_on=False)
    ax.text(t[-1] + 0.1, level + 0.5, "1 mV", fontsize=11, rotation=90, va="center")
    ax.set(xlim=(t[0], t[-1]), yticks=[])
    ax.grid(visible=False)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("time [s]", fontsize=11)
    ax.tick_params(labelsize=11)
    look.legend_below(fig, look.sign_handles(), fontsize=11)
    return fig


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("Usage: python workflow/draw_landing.py PTBXL RUN")
    archive, trained = Archive(sys.argv[1]), load_trained_run(Path(sys.argv[2]))
    row = recorded.load("real_imn/pictures").table.set_index("kind").loc[KIND]
    record = load_record(path_of(archive, archive.table.loc[row.ecg_id]))
    x = inputs(trained, record)
    logit = float(trained.logits(x)[0])
    if abs(logit - row.logit) > 0.05:
        raise SystemExit(f"{trained.folder}: logit {logit:.3f}, but {row.logit} was recorded.")
    contribution = trained.attribution(x)[0]
    raw_mv = trained.pipeline.record_signals(record)
    picture = draw(raw_mv, contribution, row.start_for_s, trained.rate_hz)
    picture.savefig(FOLDER / "landing.png", dpi=200)
    print(row.ecg_id, logit, (FOLDER / "landing.png").stat().st_size)
