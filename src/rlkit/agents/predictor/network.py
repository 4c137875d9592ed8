"""Many small networks as one: every member's layer is a slice of one tensor, so that one product does all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch as th
from torch import nn

from rlkit.errors import UsageError, nearest

ACTIVATIONS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "silu": nn.SiLU}
GAO_BOUND = 1.0  # Gao 2014: initial weights of the sigmoid network are uniform in -1 to 1


class EnsembleNetwork(nn.Module):
    """Members of one shape, with weights of their own.

    Args:
        members: How many.
        inputs: Width of the input.
        outputs: Width of the output.
        widths: Of the hidden layers (Gao 2014: five of 50 units).
        activation: ``sigmoid`` (Gao's, with Gao's initial weights), ``tanh``, ``relu`` or ``silu`` (with Glorot's).
        generator: Draws the initial weights.

    Raises:
        UsageError: If there is no such activation, or a width is not possible.
    """

    def __init__(
        self,
        members: int,
        inputs: int,
        outputs: int,
        widths: Sequence[int],
        activation: str,
        generator: th.Generator | None = None,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise UsageError(f"unknown agent.activation {activation!r}: {nearest(activation, ACTIVATIONS)}")
        if not widths or any(isinstance(width, bool) or width != int(width) or width < 1 for width in widths):
            raise UsageError(f"agent.net_arch must be a list of widths >= 1, such as [50,50]; got {list(widths)}")
        self.members, self.activation = members, activation
        sizes = [inputs, *widths, outputs]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for fan_in, fan_out in zip(sizes, sizes[1:], strict=False):
            bound = GAO_BOUND if activation == "sigmoid" else math.sqrt(6.0 / (fan_in + fan_out))
            drawn = th.rand(members, fan_in, fan_out, generator=generator)
            self.weights.append(nn.Parameter((2.0 * drawn - 1.0) * bound))
            self.biases.append(nn.Parameter(th.zeros(members, 1, fan_out)))
        self._activate: Callable[[th.Tensor], th.Tensor] = ACTIVATIONS[activation]()

    def forward(self, inputs: th.Tensor) -> th.Tensor:
        """Outputs of every member, shape ``(members, n, outputs)``.

        Args:
            inputs: Shape ``(n, inputs)``, the same for all members, or ``(members, n, inputs)``.
        """
        hidden = inputs if inputs.ndim == 3 else inputs.expand(self.members, *inputs.shape)
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = th.baddbmm(bias, hidden, weight)
            if layer < last:
                hidden = self._activate(hidden)
        return hidden

    def square_sum(self) -> th.Tensor:
        """Sum of the squares of all weights (biases are free), of all members together."""
        return th.stack([weight.square().sum() for weight in self.weights]).sum()

    def member(self, number: int) -> nn.Sequential:
        """One member as an ordinary network, with a copy of its weights."""
        layers: list[nn.Module] = []
        for weight, bias in zip(self.weights, self.biases, strict=True):
            linear = nn.Linear(weight.shape[1], weight.shape[2])
            with th.no_grad():
                linear.weight.copy_(weight[number].T)
                linear.bias.copy_(bias[number, 0])
            layers += [linear, ACTIVATIONS[self.activation]()]
        return nn.Sequential(*layers[:-1])
