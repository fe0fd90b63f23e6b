"""``kill -9`` at random moments of everything that takes long."""

import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
from archives import write_archive
from fault_kit import ROOT, Child, Deed, Digests, Fault, digests, survive
from nbformat.v4 import new_code_cell, new_notebook

from ecgcore import files, staging, study, wfdb16
from ecgcore.ptbxl import Archive

Rng = np.random.Generator
SMALL_CHUNK = 8


def prepare(archive: Path, to: Path) -> None:
    """A child: many small parts, so that there is much to interrupt."""
    wfdb16.preparation.CHUNK = SMALL_CHUNK
    to.mkdir(parents=True, exist_ok=True)
    wfdb16.prepare(Archive(archive), to / "store")


def kill_prepare(folder: Path, rng: Rng, times: int) -> None:
    archive = write_archive(folder / "archive", 160)
    deed = Deed(
        start=lambda place: Child(prepare, archive, place),
        left=lambda place: digests(place / "store"),
    )
    survive(deed, folder, rng, times)


def simulate(to: Path) -> None:
    """A child with two workers of its own."""
    from ecgcore.simulate import simulate_archive

    if not (to / "archive").exists():
        simulate_archive(to / "archive", n_records=60, seed=3, rates_hz=(100,), jobs=2)


def kill_simulate(folder: Path, rng: Rng, times: int) -> None:
    deed = Deed(lambda place: Child(simulate, place), lambda place: digests(place / "archive"))
    survive(deed, folder, rng, times)


def train(to: Path) -> None:
    """A child: twelve epochs of a small network, a checkpoint after each."""
    from ecgcore.models import build
    from ecgcore.train import TrainConfig, fit, save_weights

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 12, 160)).astype(np.float32), np.arange(60) % 2
    config = TrainConfig(epochs=12, patience=None, scheduler="plateau", device="cpu")
    model = build("cnn1d", rate_hz=100, n_samples=160, seed=1)
    result = fit(model, x[:44], y[:44], x[44:], y[44:], config, checkpoint_dir=to / "checkpoints")
    history = result.history.drop(columns=["seconds", "records_per_s"])
    files.write_whole(to / "history.csv", history.to_csv(index=False))
    save_weights(model, to / "weights.safetensors")


def trained(place: Path) -> Digests:
    whole = (place / "weights.safetensors").exists()
    return digests(place, "history.csv") | digests(place, "*weights*") if whole else {}


def kill_training(folder: Path, rng: Rng, times: int) -> None:
    survive(Deed(lambda place: Child(train, place), trained), folder, rng, times)


PARAMETERS = """\
seed: int = 1  # seed; allowed: 0..
out: str = ""  # run directory
tier: str = "custom"  # tier
"""
STEPS = """\
import time
import numpy as np
import pandas as pd
from ecgcore import files
steps = run.dir / "checkpoints"
steps.mkdir(exist_ok=True)
for step in range(10):
    time.sleep(0.05)
    files.write_whole(steps / f"{step}.txt", str(step))
value = np.random.default_rng(seed).normal()
"""
FINISH = """\
import numpy as np
import pandas as pd
from ecgcore import files
files.write_whole(run.dir / "weights.safetensors", b"w" * 100_000)
run.finish(
    metrics=pd.DataFrame({"metric": ["value"], "value": [value]}),
    predictions=pd.DataFrame({"ecg_id": [1], "score": [value]}),
    results={"value": value},
)
"""


def write_notebook(path: Path, *cells: str) -> Path:
    """A notebook with a parameters cell, ``study.begin`` and these cells."""
    code = [new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})]
    begin = f'from ecgcore import study\nrun = study.begin("{path.stem}")'
    book = new_notebook(cells=code + [new_code_cell(source) for source in (begin, *cells)])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    book.metadata["language_info"] = {"name": "python"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, path)
    return path


def run_command(notebook: Path, to: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "ecgcore", "run", str(notebook), "--out", str(to / "run"), *more]


def run_left(place: Path) -> Digests:
    """What a run found, less what the clock says."""
    run = place / "run"
    if not run.exists():
        return {}
    assert study.is_whole(run)
    study.gate(run / "notebook.ipynb")
    metrics = pd.read_csv(run / "metrics.csv")
    metrics = metrics[~metrics["metric"].str.contains("seconds|per_s")]
    found = digests(run, "predictions.parquet") | digests(run, "*weights*")
    return found | {"metrics": metrics.to_csv()}


def kill_run(folder: Path, rng: Rng, times: int) -> None:
    notebook = write_notebook(folder / "toy.ipynb", STEPS, FINISH)
    deed = Deed(lambda place: Child(run_command(notebook, place)), run_left, has_family=True)
    survive(deed, folder, rng, times)


def kill_real_run(folder: Path, rng: Rng, times: int) -> None:
    """The book's own notebook, in the smallest size."""
    from ecgcore.simulate import simulate_archive

    archive = simulate_archive(folder / "archive", n_records=240, seed=7, rates_hz=(100,))
    store = wfdb16.prepare(Archive(archive), folder / "store").path
    given = ["folds=2", "epochs=6", "rate_hz=62", "n_resamples=100", f"archive={store}"]
    more = [word for text in given for word in ("-p", text)]
    notebook = ROOT / "notebooks" / "frequency_train.ipynb"
    deed = Deed(lambda place: Child(run_command(notebook, place, *more)), run_left, has_family=True)
    survive(deed, folder, rng, times)


def small_book(folder: Path) -> Path:
    """A staged book of one page."""
    staged = folder / "staged"
    (staged / "book").mkdir(parents=True)
    for name in ("_ext", "_static"):
        (staged / "book" / name).symlink_to(ROOT / "book" / name)
    (staged / "book" / "references.bib").write_text("")
    (staged / "_config.yml").write_text((ROOT / "_config.yml").read_text())
    (staged / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    (staged / "book" / "index.md").write_text("# Title\n\nThe new page.\n")
    return staged


def build_book(staged: Path, to: Path) -> None:
    """A child."""
    to.mkdir(parents=True, exist_ok=True)
    staging.build_book(staged, to / "html")


def book_left(place: Path) -> Digests:
    """The new page; nothing as long as the old one stands."""
    page = place / "html" / "book" / "index.html"
    if not page.exists():
        return {}
    assert "The new page." in page.read_text()
    return {"page": page.read_text()}


def old_or_new(place: Path) -> None:
    """A reader finds a whole book; where it was just moved aside, the next build puts it back."""
    html = place / "html"
    files.mend(html)
    assert (html / "index.html").exists() or not html.exists()


def kill_book(folder: Path, rng: Rng, times: int) -> None:
    staged = small_book(folder)
    deed = Deed(lambda place: Child(build_book, staged, place), book_left, mid_way=old_or_new)
    survive(deed, folder, rng, times)


GOES_ON = "the next call goes on; results are the same bytes; nothing unfinished has a final name"
KILLS = [
    Fault("kill -9 of preparing a store", "SIGKILL at a random moment, 160 records in small parts",
          GOES_ON, kill_prepare, 8, 40),
    Fault("kill -9 of training", "SIGKILL at a random moment of twelve epochs",
          GOES_ON, kill_training, 6, 40),
    Fault("kill -9 of a small notebook's run", "SIGKILL of the runner, or of it and its kernel",
          GOES_ON, kill_run, 2, 20),
    Fault("kill -9 of the book's build", "SIGKILL at a random moment of a book of one page",
          "the old book stands or the new one; the next build ends with the new one",
          kill_book, 2, 20),
]  # fmt: skip
RECORDED_KILLS = [
    Fault("kill -9 of simulating an archive", "SIGKILL of the parent, whose two workers must end",
          GOES_ON, kill_simulate, 0, 20),
    Fault("kill -9 of a training notebook", "SIGKILL of the runner, or of it and its kernel",
          GOES_ON, kill_real_run, 0, 24),
]  # fmt: skip
