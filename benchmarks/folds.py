"""Five folds trained together against one after another, and against the published loop.

python benchmarks/folds.py [--quick] [--threads 2] [--rates 62 100]
"""

import argparse
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from plain import PLAIN, plain_steps
from timing import interleaved, report
from train_step import CONFIGS, CPU, data

from ecgcore.models import build
from ecgcore.train import TrainConfig
from ecgcore.training.fold import Data, Fold, make_fold
from ecgcore.training.steps import Group, plan_epoch

N_FOLDS = 5


def make_folds(
    name: str, x: torch.Tensor, y: torch.Tensor, config: TrainConfig
) -> tuple[list[Fold], Data]:
    """Five networks on four fifths of the records each."""
    labels, everything = y.numpy(), np.arange(len(x))
    folds = []
    for k in range(N_FOLDS):
        valid = everything[k::N_FOLDS]
        split = (np.setdiff1d(everything, valid), valid)
        model = build(name, rate_hz=100, n_samples=x.shape[-1], seed=k)
        folds.append(make_fold(k, model, config, 0, (labels, labels), split, CPU))
    return folds, Data(x, y, x, y)


def epoch_of(groups: list[Group]) -> Callable[[], list[float]]:
    """An epoch of these groups; returns the sum of losses of every fold."""
    epoch = 0

    def run() -> list[float]:
        nonlocal epoch
        epoch += 1
        sums = []
        for group in groups:
            for fold in group.folds:
                fold.model.train()
                fold.masks.start(0, epoch)
            group.model.train()
            alone = {fold.number: group for fold in group.folds}
            ((_, order),) = plan_epoch(group, alone, epoch)
            sums += group.run(order).double().sum(0).tolist()
        return sums

    return run


def compare(name: str, n_samples: int, n_records: int, repeats: int) -> None:
    """Print one row, and how far the losses of the first epoch lie apart."""
    x, y = data(n_records, n_samples)
    y = y[torch.randperm(n_records, generator=torch.Generator().manual_seed(1))]
    config = dataclasses.replace(CONFIGS[name], device="cpu")
    folds, signals = make_folds(name, x, y, config)
    together = epoch_of([Group(folds, signals, CPU)])
    folds, signals = make_folds(name, x, y, config)
    in_turn = epoch_of([Group([fold], signals, CPU) for fold in folds])
    pairs = zip(together(), in_turn(), strict=True)
    apart = max(abs(a - b) / abs(b) for a, b in pairs)
    print(f"{name} {n_samples} samples: losses of an epoch agree to {apart:.1e}")
    n_train = n_records * (N_FOLDS - 1) // N_FOLDS
    nets = [PLAIN[name]() for _ in range(N_FOLDS)]
    optimisers = [torch.optim.Adam(net.parameters(), lr=1e-3) for net in nets]

    def published() -> None:
        for net, optimiser in zip(nets, optimisers, strict=True):
            plain_steps(net, optimiser, x[:n_train], y[:n_train], 8, CPU)

    cases: dict[str, Callable[[], object]] = {
        "plain, in turn": published,
        "ours, in turn": in_turn,
        "ours, together": together,
    }
    seconds = interleaved(cases, repeats)
    what = f"{name} {n_samples} samples, batch 8, 5 folds"
    report(what, seconds, "plain, in turn", per=n_train // 8)
    del seconds["plain, in turn"]
    report(what, seconds, "ours, in turn", per=n_train // 8)


def main() -> None:
    """Parse the command line and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rates", type=int, nargs="+", default=[62, 100])
    parser.add_argument("--models", nargs="+", default=["cnn1d", "cnn_lstm"])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.quick:
        compare("cnn1d", 64, 40, 1)
        return
    for name in args.models:
        for rate_hz in args.rates:
            compare(name, 10 * rate_hz, 200, args.repeats)


if __name__ == "__main__":
    main()
