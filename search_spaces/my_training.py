"""Your own training in a search: an ordinary PyTorch loop, with Adam and a DataLoader, in place of ours.

    ressearch search search_spaces/demo.yaml --evaluator search_spaces.my_training:evaluate --name mine

`ressearch.evaluator.Evaluator` says what such a function is given and what it may return.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from ressearch.data import Part, load_search_data
from ressearch.trial import Fidelity, Recipe

LEARNING_RATE = 2e-3
"""Of Adam. The file's lr is for SGD, which needs a far larger one."""


def evaluate(network: nn.Module, *, recipe: Recipe, fidelity: Fidelity, seed: int, device: str) -> dict[str, float]:
    """Train the network on the bundled digits and return what it reaches on their validation images."""
    data = load_search_data("digits")  # put your own data set here
    generator = torch.Generator().manual_seed(seed)
    loader = DataLoader(dataset(data.train), recipe.batch_size, shuffle=True, generator=generator, drop_last=True)
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE, weight_decay=recipe.weight_decay)
    train_loss = 0.0
    for _ in range(fidelity.epochs):
        train_loss = train(network, loader, optimizer, device)
    accuracy, loss = validate(network, DataLoader(dataset(data.validation), 400), device)
    return {"accuracy": accuracy, "loss": loss, "train_loss": train_loss}


def dataset(part: Part) -> TensorDataset:
    """Images as floats in [0, 1], which the digits' 0 to 16 become, and their labels."""
    return TensorDataset(part.images.float() / 16, part.labels)


def train(network: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer, device: str) -> float:
    """One epoch; the mean loss of its batches."""
    network.train()
    total = 0.0
    for images, labels in loader:
        loss = nn.functional.cross_entropy(network(images.to(device)), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


@torch.no_grad()
def validate(network: nn.Module, loader: DataLoader, device: str) -> tuple[float, float]:
    """Share of images that are told right, and the mean loss."""
    network.eval()
    right = loss = images_seen = 0.0
    for images, labels in loader:
        scores, labels = network(images.to(device)), labels.to(device)
        right += (scores.argmax(dim=1) == labels).sum().item()
        loss += nn.functional.cross_entropy(scores, labels, reduction="sum").item()
        images_seen += len(labels)
    return right / images_seen, loss / images_seen
