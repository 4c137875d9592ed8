"""An ensemble of reward networks as one: each layer of all members is one tensor, so that one product does all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch as th
from torch import nn
from torch.nn import functional

SLOPE = 0.01  # of leaky ReLU (Christiano et al. 2017, appendix A)
ATARI = ((7, 3), (5, 2), (3, 1), (3, 1))  # kernels and strides of the convolutions, 16 filters each (the same)
SMALL = ((3, 2), (3, 1))  # of pictures that those would use up
FILTERS = 16
WEIGHTS_STD = 1.0 / 255.0  # of a picture's numbers


def _leaky_relu(hidden: th.Tensor) -> th.Tensor:
    return functional.leaky_relu_(hidden, SLOPE)


ACTIVATIONS: dict[str, Callable[[th.Tensor], th.Tensor]] = {  # in place where the gradient allows it
    "leaky_relu": _leaky_relu,
    "relu": th.relu_,
    "tanh": th.tanh_,
    "silu": functional.silu,
}


class RewardNetworks(nn.Module):
    """Members of one shape with weights of their own, each giving a step's reward.

    Args:
        members: How many.
        width: Of the numbers that are seen, the last of which says that an episode is over.
        pictures: Shapes of the pictures that are seen, channels first.
        widths: Of the hidden layers.
        activation: Between them, a name in :data:`ACTIVATIONS`.
        dropout: Share of the convolutions' channels that is dropped while fitting.
        generator: Draws the initial weights.
    """

    def __init__(
        self,
        members: int,
        width: int,
        pictures: Sequence[tuple[int, ...]],
        widths: Sequence[int],
        activation: str,
        dropout: float,
        generator: th.Generator,
    ) -> None:
        super().__init__()
        self.members = members
        self._activate = ACTIVATIONS[activation]
        self.eyes = nn.ModuleList(_Eyes(members, shape, dropout, generator) for shape in pictures)
        sizes = [width - 1 + sum(eye.width for eye in self.eyes), *widths, 1]  # type: ignore[misc]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for fan_in, fan_out in zip(sizes, sizes[1:], strict=False):
            self.weights.append(nn.Parameter(_drawn((members, fan_in, fan_out), fan_in, generator)))
            self.biases.append(nn.Parameter(th.zeros(members, 1, fan_out)))
        over = _drawn((members, 1, sizes[1]), sizes[0], generator)  # last: where nothing ends, nothing depends on it
        before, after = self.weights[0].data.split([width - 1, sizes[0] - width + 1], 1)
        self.weights[0] = nn.Parameter(th.cat([before, over, after], 1))
        self._layers = tuple(zip(self.weights, self.biases, strict=True))  # the same; lists of parameters are slow

    def forward(self, numbers: th.Tensor, pictures: Sequence[th.Tensor] = ()) -> th.Tensor:
        """Rewards of steps, shape ``(members, n)``.

        Args:
            numbers: Shape ``(n, width)``, the same for all members, or ``(members, n, width)``.
            pictures: Each of shape ``(n, channels, height, width)`` or ``(members, n, ...)``, uint8.
        """
        weight, bias = self._layers[-1]
        return th.baddbmm(bias, self._hidden(numbers, pictures), weight).squeeze(-1)

    def returns(
        self, numbers: th.Tensor, pictures: Sequence[th.Tensor], length: int, there: th.Tensor | None = None
    ) -> th.Tensor:
        """Sums of the rewards of segments, shape ``(members, segments)``.

        Args:
            numbers: As in :meth:`forward`, with ``n = segments * length``.
            pictures: As there.
            length: Steps of a segment.
            there: 1 for its steps, 0 for what pads it, shape ``(members or 1, segments, length)``; None: all are there.
        """
        hidden = self._hidden(numbers, pictures).unflatten(1, (-1, length))
        if there is None:
            sums, steps = hidden.sum(2), th.full((1, 1, 1), float(length), device=hidden.device)
        else:
            sums, steps = (hidden * there.unsqueeze(-1)).sum(2), there.sum(2, keepdim=True)
        weight, bias = self._layers[-1]
        return (th.bmm(sums, weight) + steps * bias).squeeze(-1)  # the last layer is linear

    def _hidden(self, numbers: th.Tensor, pictures: Sequence[th.Tensor]) -> th.Tensor:
        parts = [numbers if numbers.ndim == 3 else numbers.expand(self.members, *numbers.shape)]
        parts += [eye(seen) for eye, seen in zip(self.eyes, pictures, strict=True)]
        hidden = parts[0] if len(parts) == 1 else th.cat(parts, -1)
        for weight, bias in self._layers[:-1]:
            hidden = self._activate(th.baddbmm(bias, hidden, weight))
        return hidden

    def square_sums(self) -> th.Tensor:
        """Sum of the squares of each member's weights (biases are free), shape ``(members,)``."""
        own = [weight.square().sum((1, 2)) for weight, _ in self._layers]
        return th.stack(own + [eye.square_sums() for eye in self.eyes]).sum(0)  # type: ignore[operator]


class _Eyes(nn.Module):
    """Convolutions of all members side by side, as groups of channels."""

    def __init__(self, members: int, shape: tuple[int, ...], dropout: float, generator: th.Generator) -> None:
        super().__init__()
        self.members, self._dropout = members, dropout
        channels, *edges = shape
        layers = ATARI if _left(edges, ATARI) else SMALL
        self._strides = [stride for _, stride in layers]
        self.weights, self.norms = nn.ParameterList(), nn.ModuleList()
        for kernel, _ in layers:
            kernels = [min(kernel, edge) for edge in edges] if layers is SMALL else [kernel] * 2
            drawn = _drawn((members * FILTERS, channels, *kernels), channels * math.prod(kernels), generator)
            self.weights.append(nn.Parameter(drawn))
            self.norms.append(nn.BatchNorm2d(members * FILTERS))  # centres, so that convolutions need no bias
            channels = FILTERS
        self.width = FILTERS * _left(edges, layers)

    def forward(self, pictures: th.Tensor) -> th.Tensor:
        """Features, shape ``(members, n, width)``."""
        shape = pictures.shape[-3:]
        if pictures.ndim == 4:
            hidden = pictures.float().mul_(WEIGHTS_STD).repeat(1, self.members, 1, 1)
        else:
            hidden = pictures.transpose(0, 1).reshape(-1, self.members * shape[0], *shape[1:]).float().mul_(WEIGHTS_STD)
        for weight, norm, stride in zip(self.weights, self.norms, self._strides, strict=True):
            hidden = norm(functional.conv2d(hidden, weight, stride=stride, groups=self.members))
            hidden = functional.dropout(_leaky_relu(hidden), self._dropout, self.training)
        return hidden.unflatten(1, (self.members, FILTERS)).flatten(2).transpose(0, 1)

    def square_sums(self) -> th.Tensor:
        """Sum of the squares of each member's weights, shape ``(members,)``."""
        return th.stack([weight.square().reshape(self.members, -1).sum(1) for weight in self.weights]).sum(0)


def _left(edges: Sequence[int], layers: Sequence[tuple[int, int]]) -> int:
    """Places that are left of a picture behind convolutions; 0 if it is too small for them."""
    left = list(edges)
    for kernel, stride in layers:
        if layers is not SMALL and min(left) < kernel:
            return 0
        left = [(edge - min(kernel, edge)) // stride + 1 for edge in left]
    return math.prod(left)


def _drawn(shape: tuple[int, ...], fan_in: int, generator: th.Generator) -> th.Tensor:
    """Weights uniform within 1 / sqrt(fan_in), as ``torch.nn.Linear`` draws them.

    Larger ones, as of He et al. (2015), give each step a reward of its own that few answers do not unlearn.
    """
    return (2.0 * th.rand(shape, generator=generator) - 1.0) / math.sqrt(fan_in)
