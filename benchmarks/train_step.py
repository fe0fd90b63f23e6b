"""Training steps side by side: the published loop (DataLoader, Adam, clipping, .item()) and ours.

    python benchmarks/train_step.py [--quick] [--threads 2] [--only cnn1d cnn_lstm imn heap trace]

``heap`` starts processes of its own: a C library keeps or returns memory for a whole process.
``trace`` prints the largest difference of a loss in one epoch, same batches, no dropout.
"""

import argparse
import copy
import dataclasses
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from plain import PLAIN, plain_steps
from timing import interleaved, report

from ecgcore.models import build
from ecgcore.train import PAPER_A, PAPER_B, TrainConfig, keep_heap
from ecgcore.training.fold import Data, make_fold
from ecgcore.training.steps import Group, plan_epoch

CPU = torch.device("cpu")
CONFIGS = {
    "cnn1d": dataclasses.replace(PAPER_B, balance="none"),
    "cnn_lstm": dataclasses.replace(PAPER_B, balance="none"),
    "imn": dataclasses.replace(PAPER_A, clip_norm=1.0),
}


def data(n_records: int, n_samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random signals and alternating labels."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n_records, 12, n_samples, generator=generator)
    return x, torch.arange(n_records) % 2


def ours(name: str, x: torch.Tensor, y: torch.Tensor, config: TrainConfig) -> Callable[[], object]:
    """An epoch of ours over these records."""
    model = build(name, rate_hz=100, n_samples=x.shape[-1])
    everything, labels = np.arange(len(x)), y.numpy()
    fold = make_fold(0, model, config, 0, (labels, labels), (everything, everything), CPU)
    group = Group([fold], Data(x, y, x, y), CPU)
    model.train()
    epoch = 0

    def run() -> object:
        nonlocal epoch
        epoch += 1
        fold.masks.start(0, epoch)
        return [block.run(order).tolist() for block, order in plan_epoch(group, {0: group}, epoch)]

    return run


def published(name: str, x: torch.Tensor, y: torch.Tensor, batch: int) -> Callable[[], object]:
    """An epoch of the published loop over these records."""
    model = PLAIN[name]()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    return lambda: plain_steps(model, optimiser, x, y, batch, CPU)


def steps(name: str, n_samples: int, batch: int, n_steps: int, repeats: int) -> None:
    """One row of the table: the plain loop, ours in fp32 and in bf16."""
    x, y = data(batch * n_steps, n_samples)
    config = dataclasses.replace(CONFIGS[name], batch_size=batch, device="cpu")
    cases = {
        "plain": published(name, x, y, batch),
        "ours fp32": ours(name, x, y, config),
        "ours bf16": ours(name, x, y, dataclasses.replace(config, precision="bf16")),
    }
    what = f"{name} {n_samples} samples, batch {batch}"
    report(what, interleaved(cases, repeats), "plain", per=n_steps)


def heap(n_samples: int, batch: int, n_steps: int, repeats: int, threads: int) -> None:
    """CNN1D in processes that return freed memory to the kernel, and in such that keep it."""
    medians: dict[str, list[float]] = {}
    for _ in range(repeats):
        for mode in ("stock", "kept"):
            job = json.dumps([mode, n_samples, batch, n_steps, threads])
            command = [sys.executable, __file__, "--heap-job", job]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            for name, value in json.loads(output.splitlines()[-1]).items():
                medians.setdefault(f"{name}, heap {mode}", []).append(value)
    what = f"cnn1d {n_samples} samples, batch {batch}"
    report(what, medians, "plain, heap stock", per=n_steps)
    kept = medians["plain, heap kept"]
    ratios = [p / o for p, o in zip(kept, medians["ours fp32, heap kept"], strict=True)]
    print(f"{what}: heap kept on both sides x{statistics.median(ratios):.2f}")


def heap_job(mode: str, n_samples: int, batch: int, n_steps: int, threads: int) -> None:
    """Body of one such process: prints seconds as JSON."""
    torch.set_num_threads(threads)
    if mode == "kept":
        keep_heap()
    x, y = data(batch * n_steps, n_samples)
    config = dataclasses.replace(CONFIGS["cnn1d"], batch_size=batch, device="cpu")
    bf16 = dataclasses.replace(config, precision="bf16")
    cases = {
        "plain": published("cnn1d", x, y, batch),
        "ours fp32": ours("cnn1d", x, y, config),
        "ours bf16": ours("cnn1d", x, y, bf16),
    }
    seconds = interleaved(cases, 3)
    print(json.dumps({name: statistics.median(values) for name, values in seconds.items()}))


def trace(n_samples: int, n_steps: int) -> None:
    """Largest difference of a step's loss to the plain loop's, one epoch, no dropout.

    Beside it the same loop in float64: how far the plain loop's own rounding takes it.
    """
    x, y = data(8 * n_steps, n_samples)
    model = build("cnn1d", rate_hz=100, n_samples=n_samples, dropout=0.0)
    group = trace_group(model, x, y, "plain")
    fast = trace_group(model, x, y, "fast")
    order = plan_epoch(group, {0: group}, 1)[0][1]
    plain = plain_trace(model, x, y, order)
    rows = {
        "plain arithmetic": np.array([group.step(index).item() for index in order]),
        "fast arithmetic": np.array([fast.step(index).item() for index in order]),
        "the plain loop in float64": plain_trace(model, x.double(), y, order),
    }
    for name, losses in rows.items():
        worst = np.abs(losses - plain).max()
        print(f"loss trace, {n_steps} steps, {n_samples} samples, {name}: {worst:.1e}")


def trace_group(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, arithmetic: str) -> Group:
    """Our steps, from a copy of these weights."""
    config = dataclasses.replace(
        CONFIGS["cnn1d"], batch_size=8, device="cpu", arithmetic=arithmetic
    )
    everything, labels = np.arange(len(x)), y.numpy()
    parts = (labels, labels), (everything, everything)
    fold = make_fold(0, copy.deepcopy(model), config, 0, *parts, CPU)
    group = Group([fold], Data(x, y, x, y), CPU)
    group.model.train()
    return group


def plain_trace(
    model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, order: torch.Tensor
) -> NDArray[np.float64]:
    """Losses of the plain loop over the same batches, from the same weights, in x's precision."""
    reference = PLAIN["cnn1d"]()
    reference.head[0].p = 0.0
    values = model.state_dict().values()
    reference.load_state_dict(dict(zip(reference.state_dict(), values, strict=True)))
    reference.to(x.dtype)
    optimiser = torch.optim.Adam(reference.parameters(), lr=1e-3)
    losses = []
    for index in order:
        loss = torch.nn.functional.cross_entropy(reference(x[index[:, 0]]), y[index[:, 0]])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(reference.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    return np.array(losses)


def main() -> None:
    """Parse the command line and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    kinds = ("cnn1d", "cnn_lstm", "imn", "heap", "trace")
    parser.add_argument("--only", nargs="+", default=list(kinds), choices=kinds)
    parser.add_argument("--heap-job", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.heap_job:
        heap_job(*json.loads(args.heap_job))
        return
    torch.set_num_threads(args.threads)
    rows = [("cnn1d", n, 8, max(2, 12000 // n)) for n in (620, 1000, 2500, 5000)]
    rows += [("cnn_lstm", n, 8, max(2, 6000 // n)) for n in (620, 1000, 2500, 5000)]
    rows += [("imn", 1000, 16, 2)]
    size, repeats = (5000, 64, 3), args.repeats
    if args.quick:
        rows = [("cnn1d", 64, 4, 2), ("cnn_lstm", 300, 4, 2), ("imn", 64, 2, 2)]
        size, repeats = (64, 4, 2), 1
    if "trace" in args.only:
        trace(size[0] if args.quick else 1000, 2 if args.quick else 20)
    for name, n_samples, batch, n_steps in rows:
        if name in args.only:
            steps(name, n_samples, batch, n_steps, repeats)
    if "heap" in args.only:
        heap(*size, min(repeats, 3), args.threads)


if __name__ == "__main__":
    main()
