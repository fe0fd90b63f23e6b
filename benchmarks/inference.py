"""Prediction side by side: the published evaluation loop and ours; the IMN's forward pass.

python benchmarks/inference.py [--quick] [--threads 2] [--no-compile]
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from plain import PLAIN, plain_evaluation
from timing import interleaved, report
from train_step import CPU, data

from ecgcore.metrics import evaluate, positive_probability
from ecgcore.models import build
from ecgcore.train import predict_logits


def same_network(name: str, n_samples: int) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Ours and the plain one with the same weights, in evaluation mode."""
    ours = build(name, rate_hz=100, n_samples=n_samples).eval()
    plain = PLAIN[name]().eval()
    if name == "cnn_lstm":
        return ours, plain  # its layers are registered in another order
    values = ours.state_dict().values()
    plain.load_state_dict(dict(zip(plain.state_dict(), values, strict=True)))
    return ours, plain


def evaluation(name: str, n_samples: int, n_records: int, repeats: int) -> None:
    """Evaluation of a test set, metrics included."""
    x, y = data(n_records, n_samples)
    ours, plain = same_network(name, n_samples)
    labels = y.numpy()

    def run(precision: str) -> Callable[[], object]:
        def evaluated() -> object:
            logits = predict_logits(ours, x, device="cpu", precision=precision)  # type: ignore[arg-type]
            return evaluate(labels, positive_probability(logits))

        return evaluated

    cases: dict[str, Callable[[], object]] = {
        "plain": lambda: plain_evaluation(plain, x, y, 8, CPU),
        "ours fp32": run("fp32"),
        "ours bf16": run("bf16"),
    }
    if name != "cnn_lstm":
        probabilities = torch.cat(plain_evaluation(plain.eval(), x, y, 8, CPU)).numpy()
        for precision in ("fp32", "bf16"):
            logits = predict_logits(ours, x, device="cpu", precision=precision)  # type: ignore[arg-type]
            apart = np.abs(positive_probability(logits) - probabilities).max()
            print(f"{name} {n_samples} samples {precision}: probabilities agree to {apart:.1e}")
    what = f"evaluate {name}, {n_samples} samples"
    report(what, interleaved(cases, repeats), "plain", per=n_records)


def imn(n_samples: int, n_records: int, repeats: int, *, compiled: bool) -> None:
    """The IMN's forward pass: eager in batches of 32, and ours."""
    x, _ = data(n_records, n_samples)
    ours, plain = same_network("imn", n_samples)

    def eager() -> None:
        with torch.no_grad():
            for batch in x.split(32):
                plain(batch)

    def run(precision: str, compiled: bool = False) -> Callable[[], object]:
        return lambda: predict_logits(
            ours,  # type: ignore[arg-type]
            x,
            device="cpu",
            precision=precision,
            compiled=compiled,
        )

    cases = {
        "eager": eager,
        "ours fp32": run("fp32"),
        "ours fp32 compiled": run("fp32", compiled),
        "ours bf16": run("bf16"),
        "ours bf16 compiled": run("bf16", compiled),
        "its convolutions alone, fp32": convolutions(ours, x),  # what no arrangement can beat
    }
    if not compiled:
        cases = {name: case for name, case in cases.items() if "compiled" not in name}
    what = f"imn forward, {n_samples} samples"
    report(what, interleaved(cases, repeats), "eager", per=n_records)


def convolutions(model: torch.nn.Module, x: torch.Tensor) -> Callable[[], object]:
    """Nothing but the network's convolutions, four records at a time, on inputs made before."""
    calls: list[tuple[torch.nn.Module, torch.Tensor]] = []

    def keep(module: torch.nn.Module, given: tuple[torch.Tensor], _: object) -> None:
        calls.append((module, given[0].detach().clone(memory_format=torch.preserve_format)))

    hooks = [
        module.register_forward_hook(keep)
        for module in model.modules()
        if isinstance(module, torch.nn.Conv1d | torch.nn.Conv2d)
    ]
    with torch.no_grad():
        model(x[:4])
    for hook in hooks:
        hook.remove()

    def run() -> None:
        with torch.no_grad():
            for _ in range(len(x) // 4):
                for module, given in calls:
                    module(given)

    return run


def main() -> None:
    """Parse the command line and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.quick:
        evaluation("cnn1d", 64, 20, 1)
        imn(64, 8, 1, compiled=False)
        return
    for name in ("cnn1d", "cnn_lstm"):
        for n_samples in (1000, 5000):
            evaluation(name, n_samples, 200 if n_samples == 1000 else 80, args.repeats)
    imn(1000, 64, args.repeats, compiled=not args.no_compile)


if __name__ == "__main__":
    main()
