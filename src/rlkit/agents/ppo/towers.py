"""Forward and backward pass of a small multilayer perceptron, written out, without autograd.

Autograd records a graph, allocates every intermediate and hands back gradients one tensor at a time. For two towers of
a few linear layers all of that is known beforehand: the products are written into buffers that are reused by every
minibatch, and the gradients into one flat vector (`FlatGradients`), so that their norm is a single reduction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch as th
from torch import nn

ALIGNMENT = 16  # float32 numbers in a cache line: every gradient starts on one


class FlatGradients:
    """One vector that holds the gradients of all parameters; each `Parameter.grad` is a view of it.

    Attributes:
        flat: (n,) float32, the gradients one after another, with zeros between them for alignment.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        """Allocates the vector and points the gradients of ``parameters`` into it."""
        parameters = list(parameters)
        starts, size = [], 0
        for parameter in parameters:
            starts.append(size)
            size += -(-parameter.numel() // ALIGNMENT) * ALIGNMENT
        self.flat = th.zeros(size)
        for parameter, start in zip(parameters, starts, strict=True):
            parameter.grad = self.flat[start : start + parameter.numel()].view_as(parameter)

    def clip_norm(self, max_norm: float) -> None:
        """Scales the gradients to a norm of at most ``max_norm``, as `torch.nn.utils.clip_grad_norm_` does."""
        self.flat.mul_((max_norm / (th.linalg.vector_norm(self.flat) + 1e-6)).clamp(max=1.0))


class Tower:
    """Linear layers with one activation between them, and a linear head.

    Args:
        layers: The hidden linear layers, each followed by the activation.
        head: The last linear layer, which has none.
        activation: `nn.Tanh` or `nn.ReLU`.
        rows: The largest minibatch.
    """

    def __init__(self, layers: Sequence[nn.Linear], head: nn.Linear, activation: type[nn.Module], rows: int) -> None:
        self._linears = [*layers, head]
        self._tanh = activation is nn.Tanh
        self._outputs = [th.empty(rows, linear.out_features) for linear in self._linears]
        self._deltas = [th.empty(rows, linear.out_features) for linear in layers]
        self._inputs: list[th.Tensor] = []

    def forward(self, inputs: th.Tensor) -> th.Tensor:
        """The head's output (n, out_features) for ``inputs`` (n, in_features); the next call overwrites it."""
        rows = len(inputs)
        self._inputs = [inputs]
        for linear, buffer in zip(self._linears[:-1], self._outputs[:-1], strict=True):
            hidden = buffer[:rows]
            # tanh(x) = 2 sigmoid(2x) - 1, within 2e-7: torch's tanh takes six times as long as its sigmoid, as long as
            # the whole matrix product.
            scale = 2 if self._tanh else 1
            th.addmm(linear.bias, self._inputs[-1], linear.weight.t(), beta=scale, alpha=scale, out=hidden)
            if self._tanh:
                hidden.sigmoid_().mul_(2).sub_(1)
            else:
                hidden.relu_()
            self._inputs.append(hidden)
        head, output = self._linears[-1], self._outputs[-1][:rows]
        return th.addmm(head.bias, self._inputs[-1], head.weight.t(), out=output)

    def backward(self, delta: th.Tensor) -> None:
        """Writes every parameter's gradient, given ``delta`` (n, out_features), the loss's gradient at the head."""
        for index in range(len(self._linears) - 1, -1, -1):
            linear, inputs = self._linears[index], self._inputs[index]
            th.mm(delta.t(), inputs, out=linear.weight.grad)
            th.sum(delta, 0, out=linear.bias.grad)
            if index == 0:
                return
            below = self._deltas[index - 1][: len(delta)]
            th.mm(delta, linear.weight, out=below)
            if self._tanh:
                th.ops.aten.tanh_backward.grad_input(below, inputs, grad_input=below)
            else:
                th.ops.aten.threshold_backward.grad_input(below, inputs, 0, grad_input=below)
            delta = below
