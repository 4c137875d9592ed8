"""`Auxiliaries`: an agent's auxiliary tasks together, and how their gradients join the agent's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

import torch as th
from torch import nn

from rlkit.agents.auxiliary.task import AuxiliaryTask, ControlTask, Sizes, View
from rlkit.agents.auxiliary.tasks import FeatureControl, PixelControl, RewardPrediction
from rlkit.agents.config import AuxiliaryConfig
from rlkit.agents.replay import Batch, CompactReplay
from rlkit.errors import UsageError, nearest

if TYPE_CHECKING:
    from rlkit.agents.dqn.networks import SwitchedQNetwork

TASKS = (PixelControl.name, RewardPrediction.name, FeatureControl.name)
REWARDING_SHARE = 0.5  # of what reward prediction replays (section 3.2)
LEAST = {"steps": 1, "sequences": 1, "every": 1, "pixel_cell": 1, "reward_batch": 2, "reward_observations": 1}


def auxiliary_config(values: Mapping[str, Any] | AuxiliaryConfig | None) -> AuxiliaryConfig:
    """Settings, checked.

    Raises:
        UsageError: If there is no such setting or task, or a number is out of range.
    """
    given = {} if values is None else vars(values) if isinstance(values, AuxiliaryConfig) else dict(values)
    known = [field.name for field in fields(AuxiliaryConfig)]
    for key in given:
        if key not in known:
            raise UsageError(f"unknown setting {key!r} of auxiliary tasks: {nearest(key, known)}")
    config = AuxiliaryConfig(**given)
    for task in config.tasks:
        if task not in TASKS:
            raise UsageError(f"unknown auxiliary task {task!r}: {nearest(str(task), TASKS)}")
    for key, least in LEAST.items():
        if getattr(config, key) < least:
            raise UsageError(f"agent.auxiliary.{key} must be at least {least}, got {getattr(config, key)}")
    for key in ("pixel_weight", "reward_weight", "feature_weight"):
        if not getattr(config, key) >= 0:
            raise UsageError(f"agent.auxiliary.{key} must be at least 0, got {getattr(config, key)}")
    for key in ("pixel_discount", "feature_discount"):
        if not 0 <= getattr(config, key) <= 1:
            raise UsageError(f"agent.auxiliary.{key} must be from 0 to 1, got {getattr(config, key)}")
    if config.gradient_ratio is not None and not config.gradient_ratio > 0:
        raise UsageError(f"agent.auxiliary.gradient_ratio must be above 0 or null, got {config.gradient_ratio}")
    return config


class Auxiliaries(nn.Module):
    """Auxiliary tasks of a Q-network. Its parameters are the heads'; the target network has heads of its own.

    A task on the agent's batch is differentiated down to the trunk's map, where its gradient is added to the agent's,
    so that the trunk is passed backwards once. A task on a batch of its own is differentiated by itself.

    Args:
        config: Their settings.
        sizes: What heads must fit.
    """

    def __init__(self, config: AuxiliaryConfig, sizes: Sizes) -> None:
        super().__init__()
        self.config = config
        self._tasks = nn.ModuleDict({name: _task(name, config, sizes) for name in config.tasks})
        self._figures: dict[str, float] = {}

    def figures(self) -> dict[str, float]:
        """Of the last updates, under the tasks' names."""
        own = {f"{name}/{key}": value for name, task in self.tasks.items() for key, value in task.figures().items()}
        return {**self._figures, **own}

    @property
    def tasks(self) -> dict[str, AuxiliaryTask]:
        """By their names."""
        return cast(dict[str, AuxiliaryTask], dict(self._tasks.items()))

    @property
    def shared(self) -> PixelControl | None:
        """The task that learns from the agent's batch."""
        task = self.tasks[PixelControl.name] if PixelControl.name in self.tasks and self.config.shared else None
        return task if isinstance(task, PixelControl) else None

    def get_notes(self) -> dict[str, Any]:
        """What figures are made of, so that a run that goes on shows them as well."""
        return {"figures": dict(self._figures), "tasks": {name: task.get_notes() for name, task in self.tasks.items()}}

    def set_notes(self, notes: dict[str, Any]) -> None:
        """Take back what :meth:`get_notes` gave."""
        self._figures = dict(notes["figures"])
        for name, task in self.tasks.items():
            task.set_notes(notes["tasks"][name])

    @property
    def lookback(self) -> int:
        """Observations before a step's own that the replay must have."""
        return self.config.reward_observations - 1 if RewardPrediction.name in self.tasks else 0

    def learn_shared(
        self,
        twin: Auxiliaries,
        trunk: Sequence[nn.Parameter],
        online: View,
        bootstrap: View,
        batch: Batch,
        replay: CompactReplay,
    ) -> None:
        """Add the gradients of pixel control on the agent's batch to those that are there.

        Args:
            twin: The heads of the target network.
            trunk: Parameters between the map and the features.
            online: Of the batch's observations; its map is a leaf that has the agent's gradient.
            bootstrap: Of its next observations, by the target network.
            batch: What was replayed.
            replay: Whence.
        """
        task = self.shared
        if task is None:
            return
        other = twin.shared
        assert other is not None and online.maps.grad is not None
        sequences = replay.sequences(batch.rows, batch.at, replay.n_steps, stacked=False)
        loss = task.loss(online, bootstrap, other, sequences)
        self._add(task, loss, [online.maps], [*task.parameters(), *trunk])

    def learn_alone(
        self, twin: Auxiliaries, q_net: SwitchedQNetwork, target: SwitchedQNetwork, replay: CompactReplay
    ) -> None:
        """Add the gradients of tasks with batches of their own to those that are there.

        Args:
            twin: The heads of the target network.
            q_net: The agent's network, its gradients those of its own loss.
            target: The target network.
            replay: Whence.
        """
        control = [task for task in self.tasks.values() if isinstance(task, ControlTask) and task is not self.shared]
        trunk = list(q_net.trunk.parameters())
        if control:
            sequences = replay.sample_sequences(self.config.sequences, self.config.steps)
            seen = sequences.observations
            online = _view(q_net, seen[:, :-1].flatten(0, 1))
            with th.no_grad():
                last = _view(target, seen[:, -1])
                if any(isinstance(task, FeatureControl) for task in control):
                    maps = target.maps(seen.flatten(0, 1)).unflatten(0, seen.shape[:2])
            for task in control:
                if isinstance(task, FeatureControl):
                    task.observe(maps)
                other = twin.tasks[task.name]
                assert isinstance(other, ControlTask)
                loss = task.loss(online, last, other, sequences)
                self._add(task, loss, trunk, list(task.parameters()), keep=task is not control[-1])
        predictor = self.tasks[RewardPrediction.name] if RewardPrediction.name in self.tasks else None
        if isinstance(predictor, RewardPrediction):
            count, length = self.config.reward_batch, self.config.reward_observations
            seen, rewards = replay.sample_history(count, length, REWARDING_SHARE)
            maps = q_net.maps(seen.flatten(0, 1)).unflatten(0, (count, length))
            loss = predictor.loss(maps, rewards)
            self._add(predictor, loss, list(q_net.trunk.cnn.parameters()), list(predictor.parameters()))

    def _add(
        self,
        task: AuxiliaryTask,
        loss: th.Tensor,
        common: Sequence[th.Tensor],
        others: Sequence[th.Tensor],
        *,
        keep: bool = False,
    ) -> None:
        """Differentiate a task's loss, weigh it, and add it.

        Args:
            task: Whose.
            loss: Its loss, without weight.
            common: What it shares with the agent, and where their gradients are compared.
            others: What else it has gradients of.
            keep: Whether the graph is needed again.
        """
        found = th.autograd.grad(loss, [*common, *others], retain_graph=keep, allow_unused=True)
        theirs = [tensor.grad if tensor.grad is not None else th.zeros_like(tensor) for tensor in common]
        ours = [grad if grad is not None else th.zeros_like(t) for grad, t in zip(found, common, strict=False)]
        agent_norm, task_norm = _norm(theirs), _norm(ours)
        weight, ratio = task.weight, self.config.gradient_ratio
        if ratio is not None and weight * task_norm > ratio * agent_norm:
            weight = ratio * agent_norm / task_norm
        product = sum(float((a * b).sum()) for a, b in zip(theirs, ours, strict=True))
        figures = {
            "loss": loss.item(),
            "weight": weight,
            "gradient_norm": weight * task_norm,
            "agent_gradient_norm": agent_norm,
            "gradient_cosine": product / max(agent_norm * task_norm, 1e-12),
        }
        self._figures.update({f"{task.name}/{key}": value for key, value in figures.items()})
        for tensor, grad in zip([*common, *others], found, strict=True):
            if grad is not None:
                tensor.grad = grad * weight if tensor.grad is None else tensor.grad.add_(grad, alpha=weight)


def _task(name: str, config: AuxiliaryConfig, sizes: Sizes) -> AuxiliaryTask:
    if name == PixelControl.name:
        return PixelControl(
            sizes,
            cell_size=config.pixel_cell,
            head=config.pixel_head,
            weight=config.pixel_weight,
            discount=config.pixel_discount,
            shuffled=config.shuffled,
        )
    if name == FeatureControl.name:
        weight, discount = config.feature_weight, config.feature_discount
        return FeatureControl(sizes, weight=weight, discount=discount, shuffled=config.shuffled)
    return RewardPrediction(sizes, observations=config.reward_observations, weight=config.reward_weight)


def _view(network: SwitchedQNetwork, observations: th.Tensor) -> View:
    maps = network.maps(observations)
    return View(maps, network.trunk.features(maps))


def _norm(gradients: Sequence[th.Tensor]) -> float:
    return float(th.sqrt(th.stack([grad.square().sum() for grad in gradients]).sum()))
