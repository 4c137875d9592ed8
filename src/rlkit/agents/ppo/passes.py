"""Forward and backward pass of a small multilayer perceptron, written out, without autograd.

Autograd records a graph, allocates every intermediate and hands back gradients one tensor at a time. For a few linear
layers all of that is known beforehand: the products are written into buffers that are reused by every minibatch, and
the gradients into one flat vector (`FlatGradients`), so that their norm is a single reduction.
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
    """Linear layers, each followed by one activation, over some columns of what is observed.

    Args:
        layers: The linear layers, at least one.
        columns: Which of the inputs' columns the first one reads.
        activation: `nn.Tanh` or `nn.ReLU`.
        outputs: (rows, width) buffer of the last layer's outputs, rows of the largest minibatch.
        deltas: (rows, width) buffer, into which the gradient at these outputs is written before `backward`.
    """

    def __init__(
        self,
        layers: Sequence[nn.Linear],
        columns: slice,
        activation: type[nn.Module],
        outputs: th.Tensor,
        deltas: th.Tensor,
    ) -> None:
        self._layers, self._columns, self._tanh = layers, columns, activation is nn.Tanh
        inner = [th.empty(len(outputs), layer.out_features) for layer in layers[:-1]]
        self._outputs = [*inner, outputs]
        self._deltas = [*(th.empty_like(output) for output in inner), deltas]
        self._inputs: list[th.Tensor] = []

    def forward(self, inputs: th.Tensor) -> None:
        """Fills the buffer of outputs for ``inputs`` (n, features)."""
        self._inputs = [inputs[:, self._columns]]
        for layer, buffer in zip(self._layers, self._outputs, strict=True):
            hidden = buffer[: len(inputs)]
            # tanh(x) = 2 sigmoid(2x) - 1, within 2e-7: torch's tanh takes six times as long as its sigmoid, as long as
            # the whole matrix product.
            scale = 2 if self._tanh else 1
            th.addmm(layer.bias, self._inputs[-1], layer.weight.t(), beta=scale, alpha=scale, out=hidden)
            if self._tanh:
                hidden.sigmoid_().mul_(2).sub_(1)
            else:
                hidden.relu_()
            self._inputs.append(hidden)

    def backward(self) -> None:
        """Writes every parameter's gradient; the gradient at the outputs is in its buffer, and is overwritten."""
        for index in range(len(self._layers) - 1, -1, -1):
            layer, inputs, outputs = self._layers[index], self._inputs[index], self._inputs[index + 1]
            delta = self._deltas[index][: len(outputs)]
            if self._tanh:
                th.ops.aten.tanh_backward.grad_input(delta, outputs, grad_input=delta)
            else:
                th.ops.aten.threshold_backward.grad_input(delta, outputs, 0, grad_input=delta)
            th.mm(delta.t(), inputs, out=layer.weight.grad)
            th.sum(delta, 0, out=layer.bias.grad)
            if index > 0:
                th.mm(delta, layer.weight, out=self._deltas[index - 1][: len(outputs)])


class Network:
    """Towers side by side, and a linear head over the outputs of all of them; without towers, over what is observed.

    Args:
        towers: For each its columns and its linear layers.
        head: The last linear layer, which has no activation.
        activation: `nn.Tanh` or `nn.ReLU`.
        rows: The largest minibatch.
    """

    def __init__(
        self,
        towers: Sequence[tuple[slice, Sequence[nn.Linear]]],
        head: nn.Linear,
        activation: type[nn.Module],
        rows: int,
    ) -> None:
        self._head = head
        self._output = th.empty(rows, head.out_features)
        self._joined, self._deltas = (th.empty(rows, head.in_features if towers else 0) for _ in range(2))
        self._towers: list[Tower] = []
        start = 0
        for columns, layers in towers:
            outputs = slice(start, start + layers[-1].out_features)
            self._towers.append(Tower(layers, columns, activation, self._joined[:, outputs], self._deltas[:, outputs]))
            start = outputs.stop
        self._hidden = self._joined

    def forward(self, inputs: th.Tensor) -> th.Tensor:
        """The head's output (n, out_features) for ``inputs`` (n, in_features); the next call overwrites it."""
        for tower in self._towers:
            tower.forward(inputs)
        self._hidden = self._joined[: len(inputs)] if self._towers else inputs
        return th.addmm(self._head.bias, self._hidden, self._head.weight.t(), out=self._output[: len(inputs)])

    def backward(self, delta: th.Tensor) -> None:
        """Writes every parameter's gradient, given ``delta`` (n, out_features), the loss's gradient at the head."""
        th.mm(delta.t(), self._hidden, out=self._head.weight.grad)
        th.sum(delta, 0, out=self._head.bias.grad)
        if self._towers:
            th.mm(delta, self._head.weight, out=self._deltas[: len(delta)])
        for tower in self._towers:
            tower.backward()
