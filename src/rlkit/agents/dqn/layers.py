"""Layers and heads of Q-networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch as th
from torch import nn
from torch.nn import functional

SIGMA_0 = 0.5  # initial spread of factorised noise (Fortunato et al. 2018, section 3.2)


class NoisyLinear(nn.Module):
    """A linear layer with factorised Gaussian noise on its weights (Fortunato et al. 2018, arXiv:1706.10295).

    Without noise (:func:`noise` brings it) it is the layer of its mean weights, which is what a policy that is judged,
    exported or used as a target acts by.

    Args:
        n_in: Inputs.
        n_out: Outputs.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(th.empty(n_out, n_in))
        self.bias = nn.Parameter(th.empty(n_out))
        self.weight_sigma = nn.Parameter(th.full((n_out, n_in), SIGMA_0 / math.sqrt(n_in)))
        self.bias_sigma = nn.Parameter(th.full((n_out,), SIGMA_0 / math.sqrt(n_in)))
        bound = 1 / math.sqrt(n_in)
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)
        self._noise: tuple[th.Tensor, th.Tensor] | None = None

    def draw(self) -> None:
        """New noise, from PyTorch's generator."""
        outputs, inputs = (_squashed(th.randn(n, device=self.weight.device)) for n in self.weight.shape)
        self._noise = th.outer(outputs, inputs), outputs

    def hush(self) -> None:
        """No noise."""
        self._noise = None

    def forward(self, inputs: th.Tensor) -> th.Tensor:
        """Shape ``(n, n_in)`` to ``(n, n_out)``; one draw of noise for all rows."""
        if self._noise is None:
            return functional.linear(inputs, self.weight, self.bias)
        weight = th.addcmul(self.weight, self.weight_sigma, self._noise[0])
        return functional.linear(inputs, weight, th.addcmul(self.bias, self.bias_sigma, self._noise[1]))


def _squashed(noise: th.Tensor) -> th.Tensor:
    return noise.sign() * noise.abs().sqrt()


@contextmanager
def noise(network: nn.Module) -> Iterator[None]:
    """Within this, the noisy layers of a network have noise, drawn anew."""
    layers = [module for module in network.modules() if isinstance(module, NoisyLinear)]
    for layer in layers:
        layer.draw()
    try:
        yield
    finally:
        for layer in layers:
            layer.hush()


class Head(nn.Module):
    """Values of actions from features; dueling (Wang et al. 2016): ``Q = V + A - mean(A)``.

    Args:
        n_in: Features.
        n_out: Actions.
        widths: Of hidden layers; each of a dueling head's two streams has them.
        activation: Between them.
        dueling: Whether value and advantages have a stream each.
        noisy: Whether layers are noisy.
    """

    def __init__(
        self, n_in: int, n_out: int, widths: list[int], activation: type[nn.Module], *, dueling: bool, noisy: bool
    ) -> None:
        super().__init__()
        linear = NoisyLinear if noisy else nn.Linear
        self.advantage = _stream(n_in, n_out, widths, activation, linear)
        self.value = _stream(n_in, 1, widths, activation, linear) if dueling else None

    def forward(self, features: th.Tensor) -> th.Tensor:
        """Shape ``(n, n_in)`` to ``(n, n_out)``."""
        advantage: th.Tensor = self.advantage(features)
        if self.value is None:
            return advantage
        return self.value(features) + advantage - advantage.mean(1, keepdim=True)


def _stream(
    n_in: int, n_out: int, widths: list[int], activation: type[nn.Module], linear: Callable[[int, int], nn.Module]
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in widths:
        layers += [linear(n_in, width), activation()]
        n_in = width
    return nn.Sequential(*layers, linear(n_in, n_out))
