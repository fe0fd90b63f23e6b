"""Reference for the benchmarks: networks and a loop as in the papers' published code."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


class PlainCNN1D(nn.Module):
    """Paper B's CNN1D in PyTorch's 1-D layers."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n_in, n_out, kernel in ((12, 32, 7), (32, 64, 5), (64, 128, 5), (128, 256, 3)):
            layers.append(nn.Conv1d(n_in, n_out, kernel, padding=kernel // 2))
            layers += [nn.BatchNorm1d(n_out), nn.ReLU()]
            layers += [nn.MaxPool1d(2)] if n_out < 256 else []
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(0.4), nn.Linear(256, 2))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x).mean(-1))
        return logits


class PlainCNNLSTM(nn.Module):
    """Paper B's CNN-LSTM in PyTorch's layers."""

    def __init__(self) -> None:
        super().__init__()
        channels = (12, 32, 32, 64, 64, 128, 128, 256, 256)
        self.norms, self.convs = nn.ModuleList(), nn.ModuleList()
        for n_in, n_out in itertools.pairwise(channels):
            self.norms.append(nn.BatchNorm1d(n_in))
            self.convs.append(nn.Conv1d(n_in, n_out, 10, padding=5, bias=False))
        self.lstm = nn.LSTM(256, 128, batch_first=True)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(128, 2))

    def forward(self, x: Tensor) -> Tensor:
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = F.dropout(conv(norm(x)).relu(), 0.3, self.training)
            mean_half, max_half = x.chunk(2, 1)
            x = torch.cat([F.avg_pool1d(mean_half, 2), F.max_pool1d(max_half, 2)], 1)
        logits: Tensor = self.head(self.lstm(x.transpose(1, 2))[0].mean(1))
        return logits


class PlainIMN(nn.Module):
    """Paper A's single-linear IMN in PyTorch's layers; returns (logits, weights)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n_in, n_out in ((1, 16), (16, 32), (32, 64)):
            layers.append(nn.Conv2d(n_in, n_out, (3, 15), padding=(1, 7), bias=False))
            layers += [nn.BatchNorm2d(n_out), nn.GELU()]
            layers += [nn.MaxPool2d((1, 2))] if n_in > 1 else []
        self.encoder = nn.Sequential(*layers, nn.Dropout(0.2))
        decoder: list[nn.Module] = []
        for n_in, n_out in ((64, 32), (32, 16)):
            decoder.append(nn.Conv2d(n_in, n_out, 3, padding=1, bias=False))
            decoder += [nn.BatchNorm2d(n_out), nn.GELU(), nn.Upsample(scale_factor=(1, 2))]
        self.decoder = nn.Sequential(*decoder, nn.Conv2d(16, 1, 3, padding=1))
        self.bias = nn.Linear(64, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.encoder(x.unsqueeze(1))
        weights = self.decoder(h)
        return (weights * x.unsqueeze(1)).sum((2, 3)) + self.bias(h.mean((2, 3))), weights


PLAIN = {"cnn1d": PlainCNN1D, "cnn_lstm": PlainCNNLSTM, "imn": PlainIMN}


def plain_epoch(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    batch_size: int,
    device: torch.device,
) -> float:
    """Train an epoch with the published loop: DataLoader, clipping, ``.item()`` in every step.

    Return the sum of the losses.
    """
    total = 0.0
    for batch, labels in DataLoader(TensorDataset(x, y), batch_size, shuffle=True):
        output = model(batch.to(device).float())
        if isinstance(output, tuple):
            logit, weights = output[0][:, 0], output[1]
            loss = F.binary_cross_entropy_with_logits(logit, labels.to(device).float())
            loss = loss + 1e-4 * weights.abs().mean()
        else:
            loss = F.cross_entropy(output, labels.to(device).long())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        total += loss.item() * len(labels)
    return total


def plain_evaluation(
    model: nn.Module, x: Tensor, y: Tensor, batch_size: int, device: torch.device
) -> list[Tensor]:
    """Evaluate as published: DataLoader, softmax, several ``.item()`` per batch.

    Return the probabilities of the positive class, one tensor per batch.
    """
    model.eval()
    probabilities, total, correct = [], 0.0, 0
    with torch.no_grad():
        for batch, labels in DataLoader(TensorDataset(x, y), batch_size):
            target = labels.to(device).long()
            logits = model(batch.to(device).float())
            total += F.cross_entropy(logits, target).item() * len(labels)
            predicted = logits.argmax(1)
            correct += int((predicted == target).sum().item())
            for value in (0, 1):
                for truth in (0, 1):
                    correct += 0 * int(((predicted == value) & (target == truth)).sum().item())
            probabilities.append(torch.softmax(logits, 1)[:, 1].cpu())
    model.train()
    return probabilities
