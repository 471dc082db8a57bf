"""Training-free scores of a network ("zero-cost proxies"): what its first weights and a batch of images tell.

They are here to be held against what was measured, and nothing is ever chosen or dropped by them. Each puts a plain
network of 110 layers above one of 20, which trains better: none knows of degradation. NASWOT and the gradient norm even
put it above the residual network of 110 layers. Parameters and MACs, which cost nothing at all, predict about as well
(White et al. 2022, "A Deeper Look at Zero-Cost Proxies for Lightweight NAS").

Each function takes a fresh network and leaves it as it is; it returns None where its score is not defined: a logarithm
of 0, an overflow. Stochastic depth is off in all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import isfinite, log

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ressearch.architecture import Architecture
from ressearch.data import Part, SearchData
from ressearch.device import require_device
from ressearch.errors import DataError
from ressearch.network import Network
from ressearch.ops import Activation, DropPath, GlobalPool, Norm, Op, Scale
from ressearch.training import require_fit
from ressearch.trial import Proxies

PIECEWISE_LINEAR = ("relu", "relu6", "leaky_relu")
"""Activations that are on or off, so that a batch of images has a pattern of them."""

ZEN_STEP = 0.01
"""How far Zen moves its images, in their standard deviations."""

_IDENTITY = Scale("fixed", 1.0)


def proxies_of(
    architecture: Architecture,
    data: SearchData,
    batch: int,
    seed: int,
    device: str = "cpu",
    threads: int | None = None,
) -> Proxies:
    """All scores of a network with fresh weights, on `batch` training images drawn by the seed.

    The images are normalised by their own mean and deviation per channel. threads: of the CPU, as many as torch has
    unless said; it keeps them. With one the same seed gives the same scores, bit for bit. Raises DeviceError where
    there is no such device, DataError where there are too few images, TrainingError where the network does not fit.
    """
    require_device(device)
    require_fit(architecture, data)
    if threads is not None:
        torch.set_num_threads(threads)
    started = time.perf_counter()
    images, labels = (part.to(device) for part in _drawn(data, batch, seed))
    torch.manual_seed(seed)
    network = Network(architecture).to(device)
    return Proxies(
        architecture_id=architecture.id,
        data_checksum=data.checksum,
        batch=batch,
        seed=seed,
        naswot=naswot(network, images),
        synflow=synflow(network),
        grad_norm=grad_norm(network, images, labels),
        zen=zen(network, batch, seed),
        seconds=time.perf_counter() - started,
    )


def naswot(network: Network, images: Tensor) -> float | None:
    """Log |det K|, where K counts for each two images at how many units both are on, or both off.

    Over all units of all activations that are piecewise linear, those after a sum among them; norms see the batch. From
    Mellor et al. 2021, "Neural Architecture Search without Training". None without such activations, and where images
    are not told apart.
    """
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64)
    with torch.no_grad():
        for node, value in _rewritten(network, _always_kept).traced(images):
            if isinstance(node.op, Activation) and node.op.kind in PIECEWISE_LINEAR:
                if not value.isfinite().all():
                    return None
                kernel += _agreements(value > 0).cpu()
    return _log_determinant(kernel)


def _agreements(on: Tensor) -> Tensor:
    """For each two rows of a batch of truth values, how often they agree."""
    signs = on.flatten(1).float() * 2 - 1
    return (signs.shape[1] + (signs @ signs.T).double()) / 2


def _log_determinant(kernel: Tensor) -> float | None:
    """Of a matrix without negative eigenvalues; None if it is singular, as far as 64 bits can tell."""
    eigenvalues = torch.linalg.eigvalsh(kernel)
    if eigenvalues[0] <= eigenvalues[-1] * len(kernel) * torch.finfo(kernel.dtype).eps:
        return None
    return float(eigenvalues.log().sum())


def synflow(network: Network) -> float | None:
    """Log sum |w dR/dw| over the weights w of convolutions and linear layers, R the sum of the scores of an image of 1.

    Computed with |w| in place of w, without norms, in 64 bits (Tanaka et al. 2020; Abdelfattah et al. 2021). All values
    are at least 0 then, where a relu is the identity; other activations but sigmoid are taken for one. A gate that is a
    norm is open with it; a branch that ends in zero weights or in a factor of 0 is closed and adds nothing.
    """
    bare = _rewritten(network, _linearised).double()
    with torch.no_grad():
        for parameter in bare.parameters():
            parameter.abs_()
    weights = _weights(bare)
    ones = torch.ones(1, *network.architecture.input_shape, dtype=torch.float64, device=_weight(network).device)
    gradients = _gradients(bare(ones).sum(), weights)
    return _log(sum(float((weight.detach() * slope).sum()) for weight, slope in zip(weights, gradients, strict=True)))


def grad_norm(network: Network, images: Tensor, labels: Tensor) -> float | None:
    """Sum over convolutions and linear layers of the norm of the gradient of their weights: cross-entropy of the batch.

    Norms see the batch. From Abdelfattah et al. 2021, "Zero-Cost Proxies for Lightweight NAS".
    """
    copy = _rewritten(network, _always_kept)
    gradients = _gradients(F.cross_entropy(copy(images), labels), _weights(copy))
    total = sum(float(gradient.norm()) for gradient in gradients)
    return total if gradients and isfinite(total) else None


def zen(network: Network, batch: int, seed: int) -> float | None:
    """Log E ||f(x) - f(x + 0.01 e)|| plus, for each norm, log of the root of its mean variance.

    f ends before the last global pool; the norm is the sum of magnitudes; x and e are noise from N(0, 1). All weights
    are drawn from N(0, 1) too, by the seed; biases are 0, factors and scales 1. From Lin et al. 2021, "Zen-NAS", with
    two differences: shortcuts are kept, which the published search removes, so that it could not tell a residual
    network from a plain one; and variances are those of the batches themselves, as in the paper, not a running mean.
    """
    generator = torch.Generator().manual_seed(seed)
    copy = _rewritten(network, _always_kept).double()
    norms = _with_normal_weights(copy, generator)
    shape = (2, batch, *network.architecture.input_shape)
    image, noise = torch.randn(shape, generator=generator, dtype=torch.float64).to(_weight(network).device)
    with torch.no_grad():
        moved = _features(copy, image) - _features(copy, image + ZEN_STEP * noise)
        distance = _log(float(moved.abs().flatten(1).sum(dim=1).mean()))
    corrections = [_log(float(variance.mean())) for norm in norms if (variance := norm.running_var) is not None]
    if distance is None or None in corrections:
        return None
    return distance + sum(one / 2 for one in corrections if one is not None)


def _with_normal_weights(network: Network, generator: torch.Generator) -> list[nn.BatchNorm2d]:
    """Draw the weights as Zen has them; the norms, whose running statistics begin anew and are plain means now."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
            else:
                parameter.fill_(0.0 if name.endswith(".bias") else 1.0)
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    return norms


def _features(network: Network, images: Tensor) -> Tensor:
    """The map (N, C, H, W) that the last global pool on the way to the scores is made of."""
    nodes = network.architecture.nodes
    at = len(nodes) - 1
    while not isinstance(nodes[at].op, GlobalPool):
        at = nodes[at].inputs[0]
    values = enumerate(network.traced(images), start=1)
    return next(value for position, (_, value) in values if position == nodes[at].inputs[0])


# Networks of the same weights


def _rewritten(network: Network, change: Callable[[Op], Op]) -> Network:
    """A network of the same wiring and of copies of the weights, its ops changed to others, in training mode."""
    nodes = tuple(node._replace(op=change(node.op)) for node in network.architecture.nodes)
    with torch.random.fork_rng(devices=[]):  # new weights are drawn first, for nothing
        copy = Network(Architecture(nodes)).to(_weight(network))
    weights = network.state_dict()
    copy.load_state_dict({name: weights[name] for name in copy.state_dict()})
    return copy


def _always_kept(op: Op) -> Op:
    return _IDENTITY if isinstance(op, DropPath) else op


def _linearised(op: Op) -> Op:
    match op:
        case DropPath() | Norm():
            return _IDENTITY
        case Scale("fixed", start):
            return Scale("fixed", abs(start))
        case Activation(kind) if kind != "sigmoid":
            return Activation("relu")
    return op


def _weights(network: Network) -> list[Tensor]:
    """Those of convolutions and linear layers: all others are vectors."""
    return [parameter for parameter in network.parameters() if parameter.ndim > 1]


def _gradients(scalar: Tensor, weights: list[Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad(scalar, weights, materialize_grads=True) if weights else ()


def _weight(network: Network) -> Tensor:
    """Any: it tells the device and the precision."""
    return next(network.parameters(), torch.empty(0))


# Images and numbers


def _drawn(data: SearchData, batch: int, seed: int) -> tuple[Tensor, Tensor]:
    """Normalised images and labels of a batch."""
    part: Part = data.train
    if batch > len(part):
        message = f"{data.name} has {len(part):,} training images, fewer than the {batch:,} of a batch"
        raise DataError(message, hint="lower --batch")
    chosen = torch.randperm(len(part), generator=torch.Generator().manual_seed(seed))[:batch]
    pixels = part.images[chosen].float()
    deviation, mean = torch.std_mean(pixels, dim=(0, 2, 3), keepdim=True)
    return (pixels - mean) / deviation.clamp_min(1e-6), part.labels[chosen]


def _log(number: float) -> float | None:
    return log(number) if 0 < number < float("inf") else None
