"""Time paper B's sweep as a workload on one GPU: 2 networks x 4 rates x 5 folds.

    python benchmarks/gpu_sweep.py                         the whole sweep, on the GPU
    python benchmarks/gpu_sweep.py --quick --device cpu    a small size, to see that it runs

Synthetic signals of PTB-XL's shape: 10 s, 12 leads, about 8,730 records, of which 1,940 train
(balanced) and 1,750 validate in each fold; batch 8, 25 epochs, validation in each epoch, no early
stopping. The labels can be learnt, but the AUROC means nothing. Also timed: the published loop on
the same card for part of the work, and the training of the IMN at 500 Hz with batches of 64, as a
share of the card's peak.
"""

import argparse
import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from plain import PLAIN, plain_epoch, plain_evaluation

from ecgcore.models import build
from ecgcore.training import PAPER_A, PAPER_B, device_summary, fit, resolve_device

RATES_HZ = (62, 100, 250, 500)
MODELS = ("cnn1d", "cnn_lstm")
N_FOLDS, N_TRAIN, N_VALID, EPOCHS = 5, 1940, 1750, 25
IMN_GFLOP = 27.7
"""Per training record at 500 Hz, 5,000 samples: forward 4.6 GMAC, backward twice that."""
PEAK_TFLOPS = {"fp32": 494.5, "bf16": 989.4}
"""Dense peak of an H100 SXM by training precision; for fp32, that of TF32 (NVIDIA's data sheet)."""


def signals(n_records: int, rate_hz: int, device: torch.device) -> tuple[torch.Tensor, np.ndarray]:
    """Return noise, with a half-second bump in every second record, and labels."""
    generator = torch.Generator(device).manual_seed(rate_hz)
    x = torch.randn(n_records, 12, 10 * rate_hz, device=device, generator=generator)
    x[1::2, :, 4 * rate_hz : 4 * rate_hz + rate_hz // 2] += 0.3
    return x, np.arange(n_records) % 2


def folds(n_train: int, n_valid: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positions of training and validation records; sizes vary slightly, as with patients."""
    for k, valid in enumerate(np.arange(N_FOLDS * n_valid).reshape(N_FOLDS, n_valid)):
        rest = np.setdiff1d(np.arange(N_FOLDS * n_valid), valid)
        yield np.random.default_rng(k).permutation(rest)[: n_train + 4 * k - 8], valid


def seconds(function: Callable[..., object], *args: object) -> float:
    """Return the seconds of a call."""
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def run_sweep(args: argparse.Namespace) -> None:
    """Train every network at every rate in every fold."""
    options = {"epochs": args.epochs, "device": args.device, "precision": args.precision}
    config = dataclasses.replace(PAPER_B, patience=None, balance="none", **options)
    total_s = 0.0
    for name, rate_hz in itertools.product(args.models, args.rates):
        x, y = signals(N_FOLDS * args.n_valid, rate_hz, resolve_device(args.device))
        n_trained, aurocs, start = 0, [], time.perf_counter()
        for k, (train, valid) in enumerate(folds(args.n_train, args.n_valid)):
            model = build(name, rate_hz=rate_hz, n_samples=10 * rate_hz, seed=k)
            result = fit(model, x[train], y[train], x[valid], y[valid], config)
            aurocs.append(result.history["valid_auroc"].iloc[-1])
            n_trained += len(train) * args.epochs
        train_s = time.perf_counter() - start
        total_s += train_s
        memory_gb = torch.cuda.max_memory_allocated() / 1e9 if x.is_cuda else float("nan")
        print(
            f"{name} {rate_hz} Hz: {train_s:.2f} s, {n_trained / train_s:.0f} records/s, "
            f"validation AUROC {np.mean(aurocs):.3f}, {memory_gb:.1f} GB",
            flush=True,
        )
    print(f"sweep: {total_s:.1f} s of training in all (published: 3,780 s on another GPU)\n")


def run_plain(args: argparse.Namespace) -> None:
    """Print the published loop's seconds per epoch of one fold and for the whole sweep."""
    device, total_s = resolve_device(args.device), 0.0
    for name, rate_hz in itertools.product(args.models, args.rates):
        x, y = signals(min(args.plain_records, args.n_valid), rate_hz, device)
        x, labels, model = x.cpu(), torch.from_numpy(y), PLAIN[name]().to(device)
        optimiser = torch.optim.Adam(model.parameters())
        plain_epoch(model, optimiser, x[:80], labels[:80], 8, device)
        train_s = seconds(plain_epoch, model, optimiser, x, labels, 8, device)
        valid_s = seconds(plain_evaluation, model, x, labels, 8, device)
        epoch_s = (train_s * args.n_train + valid_s * args.n_valid) / len(x)
        sweep_s = epoch_s * N_FOLDS * args.epochs
        total_s += sweep_s
        print(f"published loop, {name} {rate_hz} Hz: epoch {epoch_s:.2f} s, sweep {sweep_s:.0f} s")
    print(f"published loop: {total_s:.0f} s for the whole sweep, scaled from these epochs\n")


def run_imn(args: argparse.Namespace) -> None:
    """Print the IMN's training speed at the highest rate: records/s and share of the peak."""
    device, rate_hz, n = resolve_device(args.device), args.rates[-1], args.imn_records
    x, y = signals(n + args.imn_batch, rate_hz, device)
    for precision, peak in PEAK_TFLOPS.items():
        config = dataclasses.replace(
            PAPER_A, epochs=4, batch_size=args.imn_batch, device=args.device, precision=precision
        )
        model = build("imn", rate_hz=rate_hz, n_samples=10 * rate_hz)
        result = fit(model, x[:n], y[:n], x[n:], y[n:], config)
        records_per_s = n / result.history["seconds"].iloc[2:].min()
        tflops = records_per_s * IMN_GFLOP * rate_hz / 500 / 1000
        print(
            f"IMN {rate_hz} Hz, batch {args.imn_batch}, {precision}: {records_per_s:.0f} records/s,"
            f" {tflops:.2f} TFLOP/s, {tflops / peak:.1%} of an H100's {peak:.0f} TFLOP/s",
            flush=True,
        )
    model, host, labels = PLAIN["imn"]().to(device), x[:n].cpu(), torch.from_numpy(y[:n])
    optimiser = torch.optim.Adam(model.parameters())
    plain_epoch(model, optimiser, host, labels, args.imn_batch, device)
    epoch_s = seconds(plain_epoch, model, optimiser, host, labels, args.imn_batch, device)
    print(f"IMN, published loop, fp32: {n / epoch_s:.0f} records/s\n")


PARTS = {"sweep": run_sweep, "plain": run_plain, "imn": run_imn}


def main() -> None:
    """Parse the command line and run the parts that it names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quick", action="store_true", help="a small size, to see that it runs")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--rates", nargs="+", type=int, default=list(RATES_HZ))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    size = {"n_train": N_TRAIN, "n_valid": N_VALID, "plain_records": 400}
    parser.set_defaults(**size, imn_records=1024, imn_batch=64)
    args = parser.parse_args()
    if args.quick:
        args.rates, args.epochs, args.n_train, args.n_valid = [62], 2, 44, 24
        args.plain_records, args.imn_records, args.imn_batch = 24, 12, 4
    print(f"{device_summary(args.device)}, torch {torch.__version__}, {args.epochs} epochs")
    for part in args.parts:
        PARTS[part](args)


if __name__ == "__main__":
    main()
