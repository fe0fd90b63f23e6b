"""Time training steps against the published loop (DataLoader, Adam, clipping) on a CPU.

    python benchmarks/train_step.py [--quick] [--threads 2] [--only cnn1d cnn_lstm imn shares]

``shares`` prints each kind of operation's share of a step; ``--record`` saves it. With one
thread, processor seconds are measured.
"""

import argparse
import dataclasses
import re
import time
from collections.abc import Callable

import pandas as pd
import torch
from plain import PLAIN, plain_epoch
from side_by_side import side_by_side

from ecgcore.models import EcgModel, build
from ecgcore.runs import recorded
from ecgcore.training import PAPER_A, PAPER_B, TrainConfig, loop, recipe
from ecgcore.training.device import numerics

CPU = torch.device("cpu")
PAPER_B_STEP = dataclasses.replace(PAPER_B, balance="none", device="cpu")
CONFIGS = {
    "cnn1d": PAPER_B_STEP,
    "cnn_lstm": PAPER_B_STEP,
    "imn": dataclasses.replace(PAPER_A, clip_norm=1.0, device="cpu"),
}
SHARES = {
    **dict.fromkeys(("imn", "imn_plus", "blackbox_cnn2d", "xresnet1d101"), (1000, 16)),
    "cnn1d": (5000, 8),
    "cnn_lstm": (1000, 8),
}
"""Samples and batch size at which ``shares`` profiles a network."""
OPERATIONS = {
    "convolutions": "conv",
    "LSTM": "lstm|rnn",
    "batch norm": "batch_norm",
    "pooling": "pool",
    "activations and dropout": "relu|gelu|sigmoid|threshold|clamp",
    "optimiser": "adam|foreach|norm",
}


def random_records(n_records: int, n_samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random signals (record, lead, sample) and alternating labels."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n_records, 12, n_samples, generator=generator)
    return x, torch.arange(n_records) % 2


def our_epoch(
    model: EcgModel, x: torch.Tensor, y: torch.Tensor, config: TrainConfig
) -> Callable[[], list[float]]:
    """Return a function that runs one epoch of the steps of ``fit`` and returns the losses."""
    training = loop.Training(model, config, CPU, (x, y), (x, y))
    batches = torch.split(torch.arange(len(x)), config.batch_size)

    def run() -> list[float]:
        training.epoch += 1
        training.masks.start_epoch(config.seed, training.epoch)
        model.train()
        with numerics(tf32=False):
            (steps,) = loop._steps(training, batches, {})
            losses: list[float] = steps().tolist()
        return losses

    return run


def bench_steps(name: str, n_samples: int, batch: int, n_steps: int, repeats: int) -> None:
    """Print one comparison: the published loop, ours in fp32 and in bf16."""
    x, y = random_records(batch * n_steps, n_samples)
    config = dataclasses.replace(CONFIGS[name], batch_size=batch)
    plain = PLAIN[name]()
    optimiser = torch.optim.Adam(plain.parameters(), lr=1e-3)
    cases = {"published loop": lambda: plain_epoch(plain, optimiser, x, y, batch, CPU)}
    for precision in ("fp32", "bf16"):
        model = build(name, rate_hz=100, n_samples=n_samples)
        how = dataclasses.replace(config, precision=precision)
        cases[f"ours {precision}"] = our_epoch(model, x, y, how)
    title = f"{name} {n_samples} samples, batch {batch}"
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    side_by_side(title, cases, repeats=repeats, per=n_steps, clock=clock)


def bench_shares(name: str, n_samples: int, batch: int, n_steps: int) -> dict[str, float | str]:
    """Print how the processor time of a step divides among kinds of operations."""
    x, y = random_records(batch * n_steps, n_samples)
    config = dataclasses.replace(CONFIGS.get(name) or recipe(name), batch_size=batch, device="cpu")
    epoch = our_epoch(build(name, rate_hz=100, n_samples=n_samples), x, y, config)
    epoch()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiled:
        epoch()
    times = dict.fromkeys([*OPERATIONS, "other"], 0.0)
    for event in profiled.key_averages():
        kind = next((k for k, words in OPERATIONS.items() if re.search(words, event.key)), "other")
        times[kind] += event.self_cpu_time_total
    shares = {k: t / sum(times.values()) for k, t in times.items()}
    text = ", ".join(f"{k} {100 * share:.0f} %" for k, share in shares.items())
    print(f"{name} {n_samples} samples, batch {batch}, share of a step: {text}", flush=True)
    return {"network": name, "n_samples": n_samples, "batch_size": batch, **shares}


def main() -> None:
    """Parse the command line and print the comparisons."""
    kinds = ("cnn1d", "cnn_lstm", "imn", "shares")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--record", action="store_true", help="keep the shares in results/")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=list(kinds), choices=kinds)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    lengths = (620, 1000, 2500, 5000)
    rows = [("cnn1d", n, 8, max(2, 12000 // n)) for n in lengths] + [("cnn1d", 5000, 64, 3)]
    rows += [("cnn_lstm", n, 8, max(2, 6000 // n)) for n in lengths] + [("imn", 1000, 16, 2)]
    if args.quick:
        args.repeats = 1
        rows = [("cnn1d", 64, 4, 2), ("cnn_lstm", 300, 4, 2), ("imn", 64, 2, 2)]
    shares = []
    for name in SHARES if "shares" in args.only else ():
        shares.append(bench_shares(name, *((620, 2) if args.quick else SHARES[name]), 2))
    if args.record:
        command = "python benchmarks/train_step.py --threads 1 --only shares --record"
        facts = {"command": command, "depends_on": ["benchmarks/train_step.py"]}
        table = pd.DataFrame(shares).round(3).rename(columns=lambda name: name.replace(" ", "_"))
        recorded.save("step_shares", table, facts)
    for name, *size in rows:
        if name in args.only:
            bench_steps(name, *size, args.repeats)


if __name__ == "__main__":
    main()
