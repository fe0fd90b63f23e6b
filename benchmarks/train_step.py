"""Training steps beside the published loop (DataLoader, Adam, clipping, ``.item()``), on a CPU.

    python benchmarks/train_step.py [--threads 2] [--only cnn1d cnn_lstm imn shares]
                                    [--record | --quick]

``shares`` prints what each kind of operation takes of a step; ``--record`` keeps it. With one
thread, seconds are those of the processor.
"""

import dataclasses
import re
import time
from collections.abc import Callable

import pandas as pd
import torch
from common import make_parser, save
from plain import PLAIN, plain_epoch

from ecgcore.models import EcgModel, build
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
"""Samples and batch size at which ``shares`` looks at a network."""
OPERATIONS = {
    "convolutions": "conv",
    "LSTM": "lstm|rnn",
    "batch norm": "batch_norm",
    "pooling": "pool",
    "activations and dropout": "relu|gelu|sigmoid|threshold|clamp",
    "optimiser": "adam|foreach|norm",
}


def random_records(n_records: int, n_samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random signals (record, lead, sample) and alternating labels."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n_records, 12, n_samples, generator=generator)
    return x, torch.arange(n_records) % 2


def our_epoch(
    model: EcgModel, x: torch.Tensor, y: torch.Tensor, config: TrainConfig
) -> Callable[[], list[float]]:
    """Return a function that takes an epoch of the steps of ``fit``, and returns the losses."""
    training = loop._start(model, config, CPU, (x, y), (x, y))
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
    """Print one comparison: the published loop, ours in fp32 and in bf16.

    In every one of ``repeats`` rounds each takes an epoch, so that other load affects all alike.
    ``times_as_fast`` is the median of the published loop's seconds divided by ours in each round.
    """
    x, y = random_records(batch * n_steps, n_samples)
    config = dataclasses.replace(CONFIGS[name], batch_size=batch)
    plain = PLAIN[name]()
    optimiser = torch.optim.Adam(plain.parameters(), lr=1e-3)
    epochs = {"published loop": lambda: plain_epoch(plain, optimiser, x, y, batch, CPU)}
    for precision in ("fp32", "bf16"):
        model = build(name, rate_hz=100, n_samples=n_samples)
        how = dataclasses.replace(config, precision=precision)
        epochs[f"ours {precision}"] = our_epoch(model, x, y, how)
    for loop_name in list(epochs):
        try:
            seconds_of(epochs[loop_name])
        except RuntimeError as error:  # an LSTM in bf16, on a processor without it
            print(f"{name}, {loop_name}: not measured ({error})")
            del epochs[loop_name]
    seconds = pd.DataFrame(
        {loop_name: seconds_of(epoch) for loop_name, epoch in epochs.items()}
        for _ in range(repeats)
    )
    ratios = seconds.rdiv(seconds["published loop"], axis=0)
    table = pd.DataFrame({"step_ms": 1e3 * seconds.median() / n_steps})
    table = table.assign(times_as_fast=ratios.median(), lowest=ratios.min(), highest=ratios.max())
    print(f"{name}, {n_samples} samples, batch {batch}", table.round(3).to_string(), sep="\n")


def seconds_of(function: Callable[[], object]) -> float:
    """Return the seconds of a call: with one thread those of the processor, else of the clock."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    function()
    return clock() - start


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
    parser = make_parser(__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=list(kinds), choices=kinds)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    shares = [
        bench_shares(name, *((620, 2) if args.quick else size), 2)
        for name, size in (SHARES.items() if "shares" in args.only else ())
    ]
    if args.record:
        table = pd.DataFrame(shares).round(3).rename(columns=lambda name: name.replace(" ", "_"))
        save("step_shares", table, __file__, "--threads 1 --only shares --record")
    lengths = (620, 1000, 2500, 5000)
    rows = [("cnn1d", n, 8, max(2, 12000 // n)) for n in lengths] + [("cnn1d", 5000, 64, 3)]
    rows += [("cnn_lstm", n, 8, max(2, 6000 // n)) for n in lengths] + [("imn", 1000, 16, 2)]
    if args.quick:
        rows = [("cnn1d", 64, 4, 2), ("cnn_lstm", 300, 4, 2), ("imn", 64, 2, 2)]
    for name, *size in rows:
        if name in args.only:
            bench_steps(name, *size, 1 if args.quick else 5)


if __name__ == "__main__":
    main()
