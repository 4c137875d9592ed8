"""`RewardModel`: an ensemble that gives every step a reward."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from numpy.typing import NDArray
from safetensors.torch import load, save

from rlkit.agents.spaces import space_from_json, space_to_json
from rlkit.errors import UsageError, nearest
from rlkit.files import write_together
from rlkit.rewards.inputs import Features, Inputs
from rlkit.rewards.network import ACTIVATIONS, RewardNetworks
from rlkit.rewards.segments import SegmentBatch, Tree
from rlkit.rewards.settings import ModelConfig, check_range

FORMAT = 2
WEIGHTS, DESCRIPTION = "weights.safetensors", "reward.json"
ROWS, PICTURES = 4_096, 256  # steps that are looked at together
LIMIT = 10.0  # standard deviations that what is seen is clipped to
FLAT = 1e-8  # a member whose rewards vary less than that has none to give


class RewardModel:
    """See the module. Before its first fit (see `fit.fit`) every reward is 0.

    Args:
        observation_space: Of one environment.
        action_space: Of one environment.
        config: Settings.
        seed: Of initial weights and of the order of minibatches.
        device: Where it computes.

    Attributes:
        inputs: What it sees of a step.
        network: The members.
        l2: Coefficient of each member's squared weights, shape ``(members,)``.
        fits: How often it was fitted.
        fitted_upto: Id of the newest label that it has learned from.

    Raises:
        UsageError: If a setting is not possible, or a space cannot be read.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        config: ModelConfig,
        *,
        seed: int,
        device: str | th.device = "cpu",
    ) -> None:
        check_settings(config)
        self.config, self.device = config, th.device(device)
        self.inputs = Inputs(observation_space, action_space)
        self.network = RewardNetworks(
            config.members,
            self.inputs.width,
            self.inputs.pictures,
            config.net_arch,
            config.activation,
            config.dropout,
            th.Generator().manual_seed(seed),
        ).to(self.device)
        self.optimizer = th.optim.Adam(self.network.parameters(), config.learning_rate, fused=True)
        self.rng = np.random.default_rng(seed)
        self.l2 = np.full(config.members, config.l2)
        self.fits = self.fitted_upto = 0
        self._mean, self._scale = th.zeros(self.inputs.width), th.ones(self.inputs.width)
        self.reward_mean, self.reward_scale = np.zeros(config.members), np.zeros(config.members)

    def predict(
        self, observations: Tree, actions: NDArray[Any], over: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """The agent's rewards: the mean of the members, each with mean 0 and the asked spread over what was fitted.

        Args:
            observations: Arrays of shape ``(n, ...)``.
            actions: Shape ``(n, *action_shape)``, as the environment takes them.
            over: Which steps stand still after an episode's end, shape ``(n,)``, all worth the same; None: none does.

        Returns:
            Shape ``(n,)``.
        """
        return self._normalised(observations, actions, over).mean(0).astype(np.float32)

    def spread(
        self, observations: Tree, actions: NDArray[Any], over: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """How far the members are apart about the same: their rewards' standard deviation, shape ``(n,)``."""
        return self._normalised(observations, actions, over).std(0).astype(np.float32)

    def _normalised(
        self, observations: Tree, actions: NDArray[Any], over: NDArray[np.bool_] | None
    ) -> NDArray[np.float64]:
        if self.fits == 0:
            return np.zeros((self.config.members, len(actions)))
        rewards = self.rewards(self.inputs.read(observations, actions, over))
        return (rewards - self.reward_mean[:, None]) * self.reward_scale[:, None]

    def rewards(self, features: Features) -> NDArray[np.float32]:
        """What each member gives, as it is, shape ``(members, n)``, for features of shape ``(n, ...)``."""
        n = len(features.numbers)
        found = np.empty((self.config.members, n), np.float32)
        with self._looking():
            for rows in _chunks(n, PICTURES if features.pictures else ROWS):
                found[:, rows] = self.network(*self.tensors(Features(*_rows(features, rows)))).cpu().numpy()
        return found

    def returns(self, batch: SegmentBatch) -> NDArray[np.float64]:
        """Sums of each member's rewards over segments, as they are, shape ``(members, n)``."""
        n, length = batch.rewards.shape
        numbers, pictures = self.inputs.read(batch.observations, batch.actions, batch.over)
        flat = Features(numbers.reshape(n * length, -1), tuple(part.reshape(-1, *part.shape[2:]) for part in pictures))
        rewards = self.rewards(flat).reshape(-1, n, length)
        return np.where(np.arange(length) < batch.lengths[:, None], rewards, 0.0).sum(-1, dtype=np.float64)

    def probabilities(self, first: SegmentBatch, second: SegmentBatch) -> NDArray[np.float64]:
        """Each member's probability that the first is better, noise apart, shape ``(members, n)``."""
        return 1.0 / (1.0 + np.exp(np.clip(self.returns(second) - self.returns(first), -500.0, 500.0)))

    def tensors(self, features: Features) -> tuple[th.Tensor, tuple[th.Tensor, ...]]:
        """What the network takes: numbers scaled by what was seen, pictures as they are."""
        numbers = th.from_numpy(np.ascontiguousarray(features.numbers))
        pictures = (th.from_numpy(np.ascontiguousarray(part)).to(self.device) for part in features.pictures)
        return self.scaled(numbers).to(self.device), tuple(pictures)

    def scaled(self, numbers: th.Tensor) -> th.Tensor:
        """Numbers in standard deviations of what was seen; what stands still stays zeros."""
        over = numbers[..., -1:]
        scaled = th.sub(numbers, self._mean).mul_(self._scale).clamp_(-LIMIT, LIMIT).mul_(1.0 - over)
        scaled[..., -1:] = over
        return scaled

    def set_scale(self, numbers: NDArray[np.float32]) -> None:
        """Take these steps as what is usual, shape ``(n, width)``; one-hots stay as they are.

        Steps that stand still do not count; nothing changes if there are no others.
        """
        numbers = numbers[numbers[:, -1] == 0.0]
        if not len(numbers):
            return
        measured = self.inputs.measured
        mean = np.where(measured, numbers.mean(0, dtype=np.float64), 0.0)
        std = numbers.std(0, dtype=np.float64)
        scale = np.where(measured & (std > FLAT), 1.0 / np.maximum(std, FLAT), 1.0)
        self._mean, self._scale = (th.from_numpy(part.astype(np.float32)) for part in (mean, scale))

    def set_reward_scale(self, rewards: NDArray[np.float32]) -> None:
        """Take these rewards of each member as what is usual, shape ``(members, n)``."""
        std = rewards.std(1, dtype=np.float64)
        self.reward_mean = rewards.mean(1, dtype=np.float64)
        self.reward_scale = np.where(std > FLAT, self.config.reward_std / np.maximum(std, FLAT), 0.0)

    def _looking(self) -> Any:
        self.network.eval()
        return th.no_grad()

    def get_state(self) -> dict[str, Any]:
        """All that decides what it says and how it goes on: a tree of tensors, arrays and plain values."""
        scales = {"mean": self._mean, "scale": self._scale, "l2": self.l2.copy()}
        rewards = {"reward_mean": self.reward_mean.copy(), "reward_scale": self.reward_scale.copy()}
        counters = {"fits": self.fits, "fitted_upto": self.fitted_upto, "random": self.rng.bit_generator.state}
        learned = {"network": dict(self.network.state_dict()), "optimizer": self.optimizer.state_dict()}
        return scales | rewards | counters | learned

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what :meth:`get_state` gave.

        Raises:
            KeyError, RuntimeError: If it does not fit.
        """
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._mean, self._scale = state["mean"], state["scale"]
        self.l2, self.reward_mean, self.reward_scale = (
            state[name].copy() for name in ("l2", "reward_mean", "reward_scale")
        )
        self.fits, self.fitted_upto = state["fits"], state["fitted_upto"]
        self.rng.bit_generator.state = state["random"]


def save_reward(folder: Path, model: RewardModel) -> None:
    """Write what a model gives as two files, safetensors and JSON; not how it would learn on.

    Raises:
        OSError: If it cannot be written.
    """
    described = {
        "format": FORMAT,
        "observation_space": space_to_json(model.inputs.observation_space),
        "action_space": space_to_json(model.inputs.action_space),
        "config": asdict(model.config),
        "fits": model.fits,
        "fitted_upto": model.fitted_upto,
    }
    state = model.get_state()
    scales = {name: th.as_tensor(state[name]) for name in _SCALES}
    tensors = {f"network.{name}": part.cpu().contiguous() for name, part in state["network"].items()} | scales
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(described, indent=2) + "\n"
    write_together({folder / WEIGHTS: save(tensors), folder / DESCRIPTION: text})


_SCALES = ("mean", "scale", "reward_mean", "reward_scale", "l2")


def load_reward(path: str | Path, device: str = "cpu") -> RewardModel:
    """A model that :func:`save_reward` wrote.

    Args:
        path: Of its folder.
        device: Of PyTorch.

    Raises:
        UsageError: If there is none, or it is damaged or of another format.
    """
    folder = Path(path)
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        if described["format"] != FORMAT:
            raise UsageError(f"{folder} has format {described['format']}, this rlkit reads format {FORMAT} alone")
        seen, done = (space_from_json(described[name]) for name in ("observation_space", "action_space"))
        model = RewardModel(seen, done, ModelConfig(**described["config"]), seed=0, device=device)
        tensors = load((folder / WEIGHTS).read_bytes())
        state = model.get_state() | {name: tensors[name] for name in _SCALES[:2]}
        state |= {name: tensors[name].numpy() for name in _SCALES[2:]}
        state |= {name: int(described[name]) for name in ("fits", "fitted_upto")}
        state["network"] = {name: tensors[f"network.{name}"] for name in state["network"]}
        model.set_state(state)
    except UsageError:
        raise
    except Exception as error:  # whatever the parsers make of bytes that are not there or that somebody changed
        raise UsageError(f"{folder} holds no reward model that can be read: {error!r}") from error
    return model


def check_settings(config: ModelConfig) -> None:
    """Refuse what is not possible.

    Raises:
        UsageError: Naming the key.
    """
    if config.activation not in ACTIVATIONS:
        hint = nearest(config.activation, ACTIVATIONS)
        raise UsageError(f"unknown reward.model.activation {config.activation!r}: {hint}")
    if any(isinstance(width, bool) or not isinstance(width, int) or width < 1 for width in config.net_arch):
        raise UsageError(f"reward.model.net_arch must be a list of widths >= 1, such as [64,64]; got {config.net_arch}")
    for key in ("members", "batch_size", "epochs", "keep"):
        check_range(f"model.{key}", getattr(config, key), 1, None)
    for key in ("stop_accuracy", "noise", "smoothing", "crop"):
        check_range(f"model.{key}", getattr(config, key), 0.0, 1.0)
    for key in ("learning_rate", "l2", "reward_std"):
        check_range(f"model.{key}", getattr(config, key), 0.0, None)
    if not 0.0 <= config.dropout < 1.0:
        raise UsageError(f"reward.model.dropout must be at least 0 and below 1, got {config.dropout}")


def _chunks(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _rows(features: Features, rows: slice) -> Sequence[Any]:
    return features.numbers[rows], tuple(part[rows] for part in features.pictures)
