"""Paper B's CNN in plain PyTorch: the reference for architectures, weights and the loop."""

from torch import nn


def plain_cnn1d() -> nn.Sequential:
    """Return a plain stack in the order of the published weights, without dropout."""
    layers: list[nn.Module] = []
    for n_in, n_out, kernel in ((12, 32, 7), (32, 64, 5), (64, 128, 5), (128, 256, 3)):
        layers += [nn.Conv1d(n_in, n_out, kernel, padding=kernel // 2), nn.BatchNorm1d(n_out)]
        layers += [nn.ReLU(), nn.MaxPool1d(2) if n_out < 256 else nn.AdaptiveAvgPool1d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(256, 2))
