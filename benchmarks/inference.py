"""Time prediction against the published evaluation loop, and the IMN's forward pass, on a CPU.

python benchmarks/inference.py [--quick] [--threads 2]
"""

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from plain import PLAIN, plain_evaluation
from side_by_side import side_by_side
from train_step import CPU, random_records

from ecgcore.models import EcgModel, build
from ecgcore.statistics import evaluate, positive_probability
from ecgcore.training import predict_logits


def same_network(name: str, n_samples: int) -> tuple[EcgModel, torch.nn.Module]:
    """Return our network and the published one with the same weights, in evaluation mode."""
    ours = build(name, rate_hz=100, n_samples=n_samples).eval()
    plain = PLAIN[name]().eval()
    if name != "cnn_lstm":  # its layers are registered in another order
        values = ours.state_dict().values()
        plain.load_state_dict(dict(zip(plain.state_dict(), values, strict=True)))
    return ours, plain


def bench_evaluation(name: str, n_samples: int, n_records: int, repeats: int) -> None:
    """Time the evaluation of a test set, metrics included."""
    x, y = random_records(n_records, n_samples)
    ours, plain = same_network(name, n_samples)

    def probabilities(precision: str) -> np.ndarray:
        logits = predict_logits(ours, x, device="cpu", precision=precision)
        return positive_probability(logits)

    cases: dict[str, Callable[[], object]] = {
        "published loop": lambda: plain_evaluation(plain, x, y, 8, CPU),
        "ours fp32": lambda: evaluate(y.numpy(), probabilities("fp32")),
        "ours bf16": lambda: evaluate(y.numpy(), probabilities("bf16")),
    }
    if name != "cnn_lstm":
        theirs = torch.cat(plain_evaluation(plain, x, y, 8, CPU)).numpy()
        plain.eval()
        for precision in ("fp32", "bf16"):
            difference = np.abs(probabilities(precision) - theirs).max()
            print(f"{name} {n_samples} samples {precision}: differs by at most {difference:.1e}")
    title = f"evaluate {name}, {n_samples} samples"
    side_by_side(title, cases, repeats=repeats, per=n_records)


def bench_imn(n_samples: int, n_records: int, repeats: int) -> None:
    """Time the forward pass of the IMN: PyTorch's layers in batches of 32, and ours."""
    x, _ = random_records(n_records, n_samples)
    ours, plain = same_network("imn", n_samples)

    def eager() -> None:
        with torch.no_grad():
            for batch in x.split(32):
                plain(batch)

    cases: dict[str, Callable[[], object]] = {"PyTorch's layers": eager}
    for precision in ("fp32", "bf16"):
        cases[f"ours {precision}"] = partial(
            predict_logits, ours, x, device="cpu", precision=precision
        )
    cases["the convolutions alone, fp32"] = convolutions(ours, x)
    side_by_side(f"imn forward, {n_samples} samples", cases, repeats=repeats, per=n_records)


def convolutions(model: torch.nn.Module, x: torch.Tensor) -> Callable[[], object]:
    """Return a function that computes the convolutions of the network and nothing else.

    It processes four records at a time, on inputs that were computed beforehand: no arrangement of
    the same convolutions can be faster.
    """
    calls: list[tuple[torch.nn.Module, torch.Tensor]] = []

    def note(module: torch.nn.Module, given: tuple[torch.Tensor], _: object) -> None:
        calls.append((module, given[0].detach().clone(memory_format=torch.preserve_format)))

    kinds = (torch.nn.Conv1d, torch.nn.Conv2d)
    hooks = [m.register_forward_hook(note) for m in model.modules() if isinstance(m, kinds)]
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
    """Parse the command line and print the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.quick:
        bench_evaluation("cnn1d", 64, 20, 1)
        bench_imn(64, 8, 1)
        return
    for name in ("cnn1d", "cnn_lstm"):
        for n_samples, n_records in ((1000, 200), (5000, 80)):
            bench_evaluation(name, n_samples, n_records, args.repeats)
    bench_imn(1000, 64, args.repeats)


if __name__ == "__main__":
    main()
