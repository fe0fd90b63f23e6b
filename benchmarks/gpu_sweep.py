"""Paper B's sweep as an amount of work, on one GPU: 2 models x 4 rates x 5 folds.

    python benchmarks/gpu_sweep.py                    the whole of it, on the GPU
    python benchmarks/gpu_sweep.py --quick --device cpu

Synthetic signals of PTB-XL's shape: 10 s, 12 leads, about 8,730 records of which 1,940 train
(balanced) and 1,750 validate in each fold; batch 8, 25 epochs, validation each epoch, no early
stopping.  Labels are learnable, nothing is claimed about accuracy.  Also: the plain loop of the
published code on the same card for a part of the work, and IMN training at 500 Hz, batch 64, as a
share of the card's peak.  Needs numpy, torch, pandas and safetensors only.
"""

import argparse
import dataclasses
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from plain import PLAIN, plain_epoch, plain_evaluation

from ecgcore.models import build, logits_of
from ecgcore.train import PAPER_A, PAPER_B, device_summary, fit_folds, resolve_device
from ecgcore.training.device import numerics

RATES_HZ = (62, 100, 250, 500)
MODELS = ("cnn1d", "cnn_lstm")
N_FOLDS, N_TRAIN, N_VALID, EPOCHS = 5, 1940, 1750, 25
IMN_GFLOP_TRAIN_RECORD = 27.7
"""At 500 Hz, 5,000 samples: forward 4.6 GMAC, backward twice that."""
PEAK_TFLOPS = {"tf32": 494.5, "bf16": 989.4}
"""H100 SXM, dense (NVIDIA's data sheet)."""


def signals(n_records: int, rate_hz: int, device: torch.device) -> tuple[torch.Tensor, np.ndarray]:
    """Noise with a half-second bump in every second record, made on the device."""
    generator = torch.Generator(device).manual_seed(rate_hz)
    x = torch.randn(n_records, 12, 10 * rate_hz, device=device, generator=generator)
    x[1::2, :, 4 * rate_hz : 4 * rate_hz + rate_hz // 2] += 0.3
    return x, np.arange(n_records) % 2


def splits(n_train: int, n_valid: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Folds with slightly different sizes, as patients make them; valid parts do not overlap."""
    everything = np.arange(N_FOLDS * n_valid)
    folds = []
    for k in range(N_FOLDS):
        valid = everything[k * n_valid : (k + 1) * n_valid]
        rest = np.setdiff1d(everything, valid)
        size = n_train + 4 * k - 8
        folds.append((np.random.default_rng(k).permutation(rest)[:size], valid))
    return folds


def sweep(args: argparse.Namespace) -> None:
    """Ours: every cell's five folds together."""
    config = dataclasses.replace(
        PAPER_B, epochs=args.epochs, patience=None, balance="none", device=args.device
    )
    config = dataclasses.replace(config, precision=args.precision, tf32=not args.no_tf32)
    total = 0.0
    print(f"{'model':10}{'Hz':>5}{'train s':>10}{'records/s':>12}{'valid AUROC':>13}{'GB':>7}")
    for name in args.models:
        for rate_hz in args.rates:
            x, y = signals(N_FOLDS * args.n_valid, rate_hz, resolve_device(args.device))
            models = [
                build(name, rate_hz=rate_hz, n_samples=10 * rate_hz, seed=k) for k in range(N_FOLDS)
            ]
            parts = splits(args.n_train, args.n_valid)
            start = time.perf_counter()
            if args.in_turn:
                results = [
                    fit_folds([m], x, y, [p], config)[0] for m, p in zip(models, parts, strict=True)
                ]
            else:
                results = fit_folds(models, x, y, parts, config)
            seconds = time.perf_counter() - start
            total += seconds
            n = sum(len(train) for train, _ in parts) * args.epochs
            auroc = np.mean([r.history["valid_auroc"].iloc[-1] for r in results])
            memory = torch.cuda.max_memory_allocated() / 1e9 if x.is_cuda else float("nan")
            print(
                f"{name:10}{rate_hz:5}{seconds:10.2f}{n / seconds:12.0f}{auroc:13.3f}{memory:7.1f}",
                flush=True,
            )
    print(f"sweep: {total:.1f} s of training in all (published: 3,780 s on another GPU)\n")


def plain(args: argparse.Namespace) -> None:
    """The published loop: seconds of one fold's epoch, and what the whole sweep would take."""
    device = resolve_device(args.device)
    total = 0.0
    print(f"plain loop, one epoch of one fold: {'model':10}{'Hz':>5}{'epoch s':>10}{'sweep s':>10}")
    for name in args.models:
        for rate_hz in args.rates:
            x, y = signals(args.n_valid, rate_hz, device)
            x, labels = x.cpu(), torch.from_numpy(y)
            n = min(args.plain_records, len(x))
            model = PLAIN[name]().to(device)
            plain_epoch(model, x[:80], labels[:80], 8, device)
            start = time.perf_counter()
            plain_epoch(model, x[:n], labels[:n], 8, device)
            train_s = (time.perf_counter() - start) / n * args.n_train
            start = time.perf_counter()
            plain_evaluation(model, x[:n], labels[:n], 8, device)
            valid_s = (time.perf_counter() - start) / n * args.n_valid
            whole = (train_s + valid_s) * N_FOLDS * args.epochs
            total += whole
            print(f"{'':35}{name:10}{rate_hz:5}{train_s + valid_s:10.2f}{whole:10.0f}", flush=True)
    print(f"plain loop: {total:.0f} s for the whole sweep, scaled from these epochs\n")


def imn(args: argparse.Namespace) -> None:
    """IMN training at 500 Hz, batch 64: records/s and share of the card's peak."""
    device = resolve_device(args.device)
    rate_hz, n = args.rates[-1], args.imn_records
    gflop = IMN_GFLOP_TRAIN_RECORD * rate_hz / 500
    x, y = signals(n + 64, rate_hz, device)
    part = [(np.arange(n), np.arange(n, n + 64))]
    for precision in ("fp32", "bf16"):
        config = dataclasses.replace(
            PAPER_A, epochs=4, batch_size=args.imn_batch, device=args.device, precision=precision
        )
        model = build("imn", rate_hz=rate_hz, n_samples=10 * rate_hz)
        seconds = fit_folds([model], x, y, part, config)[0].history["seconds"].iloc[2:].min()
        peak = PEAK_TFLOPS["bf16" if precision == "bf16" else "tf32"]
        tflops = n / seconds * gflop / 1000
        share = f"{100 * tflops / peak:.1f} % of an H100's" if x.is_cuda else "no GPU:"
        print(
            f"IMN {rate_hz} Hz batch {args.imn_batch} {precision}: {n / seconds:.0f} records/s, "
            f"{tflops:.1f} TFLOP/s, {share} {peak:.0f} TFLOP/s (TF32 for fp32)",
            flush=True,
        )
    model = PLAIN["imn"]().to(device)
    host, labels = x[:n].cpu(), torch.from_numpy(y[:n])
    plain_epoch(model, host, labels, args.imn_batch, device)
    start = time.perf_counter()
    plain_epoch(model, host, labels, args.imn_batch, device)
    print(f"IMN plain loop, fp32: {n / (time.perf_counter() - start):.0f} records/s\n")


def check(args: argparse.Namespace) -> None:
    """One batch through each model on the device and on the CPU: the same logits."""
    device = resolve_device(args.device)
    with numerics(deterministic=True, tf32=False), torch.no_grad():
        for name in ("cnn1d", "cnn_lstm", "imn"):
            model = build(name, rate_hz=62, n_samples=620).eval()
            x, _ = signals(8, 62, device)
            here = logits_of(model(x.cpu()))
            there = logits_of(model.to(device)(x)).cpu()
            print(f"{name}: largest difference to the CPU {(here - there).abs().max():.1e}")


def main() -> None:
    """Parse the command line and run what it asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quick", action="store_true", help="a small size, to see that it runs")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--rates", nargs="+", type=int, default=list(RATES_HZ))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--no-tf32", action="store_true")
    parser.add_argument("--in-turn", action="store_true", help="one fold after another")
    parser.add_argument(
        "--parts", nargs="+", default=["check", "sweep", "plain", "imn"], help="what to run"
    )
    args = parser.parse_args()
    args.n_train, args.n_valid, args.plain_records = N_TRAIN, N_VALID, 400
    args.imn_records, args.imn_batch = 1024, 64
    if args.quick:
        args.rates, args.epochs, args.n_train, args.n_valid = [62], 2, 44, 24
        args.plain_records, args.imn_records, args.imn_batch = 24, 12, 4
    print(f"{device_summary(args.device)}, torch {torch.__version__}, {args.epochs} epochs")
    for part in args.parts:
        {"check": check, "sweep": sweep, "plain": plain, "imn": imn}[part](args)


if __name__ == "__main__":
    main()
