"""A trained predictor: two ensembles, what they expect and how far to trust them; as safetensors and JSON.

``next``: PUE of the coming step from Gao's 19 features. ``ahead``: PUE, power, inlets and aisle pressure of the coming
hour, for search over setpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import nn

from rlkit.agents.policy import read_export, write_export
from rlkit.agents.predictor.features import GAO_NAMES, FeatureReader
from rlkit.agents.predictor.network import EnsembleNetwork
from rlkit.agents.predictor.samples import AHEAD, NEXT
from rlkit.errors import UsageError

AGENT = "pue_predictor"
HEADS = {"next": NEXT, "ahead": AHEAD}


@dataclass(frozen=True)
class Prediction:
    """What an ensemble says.

    Attributes:
        mean: Over members, in the targets' units, shape ``(n, outputs)``.
        spread: Standard deviation over members: what they do not know.
        sigma: Of the prediction's error: the spread, and what no member could foresee.
    """

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    sigma: NDArray[np.float32]


class Head(nn.Module):
    """An ensemble with its scales: inputs and targets of the training data lie in -1 to 1 (Gao 2014).

    Args:
        members: How many networks.
        inputs: How many features.
        outputs: How many targets.
        widths: Of the hidden layers.
        activation: Of them.
        generator: Draws the initial weights.
    """

    low: th.Tensor
    high: th.Tensor
    target_low: th.Tensor
    target_high: th.Tensor
    noise: th.Tensor
    spread_limit: th.Tensor

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
        self.network = EnsembleNetwork(members, inputs, outputs, widths, activation, generator)
        for name, size in (("low", inputs), ("target_low", outputs), ("noise", outputs), ("spread_limit", outputs)):
            self.register_buffer(name, th.zeros(size))
        for name, size in (("high", inputs), ("target_high", outputs)):
            self.register_buffer(name, th.ones(size))

    def set_scales(self, inputs: NDArray[np.float32], targets: NDArray[np.float32]) -> None:
        """Take the ranges of the training data; what never varies there is always told as 0."""
        for values, low, high in ((inputs, self.low, self.high), (targets, self.target_low, self.target_high)):
            least, most = values.min(axis=0), values.max(axis=0)
            low.copy_(th.from_numpy(least))
            high.copy_(th.from_numpy(np.where(most > least, most, np.inf)))

    def scaled(self, inputs: th.Tensor) -> th.Tensor:
        """Inputs as the network takes them."""
        span = self.high - self.low
        return th.where(th.isinf(span), th.zeros(()), 2.0 * (inputs - self.low) / span - 1.0)

    def scaled_targets(self, targets: th.Tensor) -> th.Tensor:
        """Targets as the network gives them."""
        span = self.target_high - self.target_low
        return th.where(th.isinf(span), th.zeros(()), 2.0 * (targets - self.target_low) / span - 1.0)

    def members(self, inputs: NDArray[np.float32], chunk: int = 4096) -> NDArray[np.float32]:
        """What every member says, in the targets' units, shape ``(members, n, outputs)``."""
        span = self.target_high - self.target_low
        span = th.where(th.isinf(span), th.zeros(()), span)
        with th.no_grad():
            parts = [self.network(self.scaled(part)) for part in th.from_numpy(inputs).split(chunk)]
            said = (th.cat(parts, dim=1) + 1.0) * (0.5 * span) + self.target_low
        return said.numpy()

    def predict(self, inputs: NDArray[np.float32]) -> Prediction:
        """Mean, spread and error of the ensemble, for inputs of shape ``(n, features)``."""
        said = self.members(inputs)
        spread = said.std(axis=0)
        return Prediction(said.mean(axis=0), spread, np.sqrt(spread**2 + self.noise.numpy() ** 2))


class Predictor:
    """The two ensembles for one plant.

    Args:
        heads: ``next`` and ``ahead``.
        reader: How features come from its sensors.
        description: What ``policy.json`` says.
    """

    def __init__(self, heads: Mapping[str, Head], reader: FeatureReader, description: Mapping[str, Any]) -> None:
        self.heads, self.reader, self.description = dict(heads), reader, dict(description)

    def next_pue(self, observed: NDArray[np.float64], setpoints: NDArray[np.float64]) -> Prediction:
        """PUE of the coming step, by :meth:`FeatureReader.gao`'s arguments."""
        return self.heads["next"].predict(self.reader.gao(observed, setpoints))

    def hour_ahead(self, observed: NDArray[np.float64], setpoints: NDArray[np.float64]) -> Prediction:
        """The coming hour with these setpoints held; outputs are :data:`~rlkit.agents.predictor.samples.AHEAD`."""
        return self.heads["ahead"].predict(self.reader.ahead(observed, setpoints))

    def tried(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest setpoints in the data it learned from, shape ``(actions,)`` each."""
        head, first = self.heads["ahead"], len(self.reader.ahead_names) - len(self.reader.action_names)
        low, high = (bound.numpy()[first:].astype(np.float64) for bound in (head.low, head.high))
        return low, np.where(np.isinf(high), low, high)


def build_heads(
    reader: FeatureReader, members: int, widths: Sequence[int], activation: str, generator: th.Generator | None = None
) -> dict[str, Head]:
    """Untrained ensembles for a plant."""
    sizes = {"next": len(GAO_NAMES), "ahead": len(reader.ahead_names)}
    return {
        name: Head(members, sizes[name], len(outputs), widths, activation, generator) for name, outputs in HEADS.items()
    }


def save_predictor(folder: Path, predictor: Predictor) -> None:
    """Write a predictor as ``weights.safetensors`` and ``policy.json``."""
    tensors = {
        f"{name}.{key}": tensor.contiguous()
        for name, head in predictor.heads.items()
        for key, tensor in head.state_dict().items()
    }
    write_export(folder, save(tensors), predictor.description)


def load_predictor(path: str | Path) -> Predictor:
    """Read the predictor that a run left.

    Args:
        path: A run folder, or its ``policy/``.

    Raises:
        UsageError: If there is none, or its files are damaged or do not fit together.
    """
    folder, description, weights = read_export(path)
    if description.get("agent") != AGENT:
        raise UsageError(f"{folder} is of agent={description.get('agent')}, not {AGENT}: rlkit.load_policy reads it")
    try:
        reader = FeatureReader(description["observation_names"], description["action_names"])
        heads = build_heads(reader, description["members"], description["net_arch"], description["activation"])
        tensors = load(weights)
        for name, head in heads.items():
            own = {
                key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")
            }
            head.load_state_dict(own)
            head.eval()
    except UsageError:
        raise
    except Exception as error:  # whatever comes of a description that somebody changed, sum and all
        raise UsageError(f"{folder} does not describe a predictor that rlkit can build: {error!r}") from error
    return Predictor(heads, reader, description)
