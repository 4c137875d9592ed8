"""`DQN`: Stable-Baselines3's, with switches, action masks, a compact replay and auxiliary tasks."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch as th
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import DQN as BaseDQN
from stable_baselines3.common.logger import Image
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import polyak_update
from torch.nn import functional

from rlkit.agents.auxiliary.learner import Auxiliaries, auxiliary_config
from rlkit.agents.auxiliary.task import Sizes, View
from rlkit.agents.auxiliary.tasks import PixelControl
from rlkit.agents.dqn.layers import noise
from rlkit.agents.dqn.networks import POLICIES, SwitchedQNetwork, Trunk, network_kwargs
from rlkit.agents.optimizer import fuse_adam
from rlkit.agents.replay import Batch, CompactReplay
from rlkit.errors import UsageError, nearest

REPLAYS = ("auto", "standard", "compact")


class DQN(BaseDQN):
    """Deep Q-learning; with every switch off, Stable-Baselines3's ``DQN`` bit for bit.

    What shapes the network (``dueling``, ``noisy``, the trunk) are arguments of its policy: see
    :func:`~rlkit.agents.dqn.networks.network_kwargs`.

    Args:
        *args: Stable-Baselines3's.
        double: The network chooses the action whose value the target network tells.
        prioritized: What was mispredicted is replayed more often.
        priority_alpha: Exponent of priorities.
        priority_beta: Of the importance correction at the start; it rises to 1.
        per_env_epsilon: Each environment draws for itself whether its action is random.
        action_masks: The environment says by ``action_masks()`` what is legal, and that holds in acting and in targets.
        replay: ``standard``, ``compact`` or ``auto``.
        frame_stack: Frames that an observation is made of, along its first axis.
        auxiliary: Settings of auxiliary tasks, as in :class:`~rlkit.agents.config.AuxiliaryConfig`.
        **kwargs: Stable-Baselines3's.

    Raises:
        UsageError: If settings contradict each other.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = POLICIES
    network_kwargs = staticmethod(network_kwargs)
    q_net: SwitchedQNetwork
    q_net_target: SwitchedQNetwork

    def __init__(
        self,
        *args: Any,
        double: bool = False,
        prioritized: bool = False,
        priority_alpha: float = 0.6,
        priority_beta: float = 0.4,
        per_env_epsilon: bool = False,
        action_masks: bool = False,
        replay: str = "auto",
        frame_stack: int = 1,
        auxiliary: Mapping[str, Any] | None = None,
        _init_setup_model: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **{**kwargs, "_init_setup_model": False})
        self.double, self.per_env_epsilon, self.action_masks = double, per_env_epsilon, action_masks
        self.prioritized, self.priority_alpha, self.priority_beta = prioritized, priority_alpha, priority_beta
        self.replay, self.frame_stack = replay, frame_stack
        self.auxiliary_config = auxiliary_config(auxiliary)
        self.auxiliary: Auxiliaries | None = None
        self.auxiliary_target: Auxiliaries | None = None
        self._rng = np.random.default_rng(self.seed)
        self._masks: NDArray[np.bool_] | None = None
        self._check_settings()
        if _init_setup_model:
            self._setup_model()

    def _check_settings(self) -> None:
        if self.replay not in REPLAYS:
            raise UsageError(f"unknown agent.replay {self.replay!r}: {nearest(str(self.replay), REPLAYS)}")
        needs = {
            "agent.prioritized": self.prioritized,
            "action masks": self.action_masks,
            "agent.auxiliary.tasks": bool(self.auxiliary_config.tasks),
        }
        asked = [name for name, needed in needs.items() if needed]
        if self.replay == "standard" and asked:
            raise UsageError(f"agent.replay=standard does not go with {', '.join(asked)}: leave it at auto")
        self._compact = self.replay == "compact" or bool(asked)
        if self._compact and isinstance(getattr(self, "observation_space", None), spaces.Dict):
            wanted = ", ".join(asked) or "agent.replay=compact"
            raise UsageError(f"{wanted}: not with observations that are dictionaries")

    def _setup_model(self) -> None:
        if self._compact and self.replay_buffer is None:
            self.replay_buffer_class = None  # one that was loaded: of no effect, yet there would be a warning
            config = self.auxiliary_config
            self.replay_buffer = CompactReplay(  # type: ignore[assignment]
                self.buffer_size,
                self.observation_space,
                self.action_space,
                self.device,
                self.n_envs,
                stack=self.frame_stack,
                n_steps=self.n_steps,
                gamma=self.gamma,
                alpha=self.priority_alpha if self.prioritized else 0.0,
                masked=self.action_masks,
                lookback=config.reward_observations - 1 if "reward_prediction" in config.tasks else 0,
                seed=int(self._rng.integers(2**63)),
            )
        super()._setup_model()
        if self.auxiliary_config.tasks:
            self._setup_auxiliary()
        if self._compact:  # and so not bit for bit Stable-Baselines3's
            fuse_adam(self.policy)

    def _setup_auxiliary(self) -> None:
        """Heads for both networks; the optimizer learns the first."""
        trunk, shape = self.q_net.features_extractor, self.observation_space.shape
        if not isinstance(trunk, Trunk) or shape is None:
            raise UsageError(
                f"auxiliary tasks are for agents that see pictures, this one sees {self.observation_space}: "
                "leave agent.auxiliary.tasks empty, or take the environment's pixels"
            )
        brightest = 1.0 if not self.policy.normalize_images else 255.0
        if not self.policy.normalize_images and isinstance(self.observation_space, spaces.Box):
            brightest = float(self.observation_space.high.max())
        frame = (shape[0] // self.frame_stack, shape[1], shape[2])
        assert isinstance(self.action_space, spaces.Discrete)
        sizes = Sizes(trunk.map_shape, trunk.features_dim, frame, int(self.action_space.n), brightest)
        try:
            self.auxiliary = Auxiliaries(self.auxiliary_config, sizes).to(self.device)
        except ValueError as error:
            raise UsageError(f"agent.auxiliary: {error}") from error
        self.auxiliary_target = copy.deepcopy(self.auxiliary).requires_grad_(False)
        self.policy.optimizer.add_param_group({"params": list(self.auxiliary.parameters())})

    def _setup_learn(self, *args: Any, **kwargs: Any) -> Any:
        result = super()._setup_learn(*args, **kwargs)
        self._masks = None  # the environment may have been reset
        return result

    # Acting

    def _sample_action(
        self, learning_starts: int, action_noise: Any = None, n_envs: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Actions of every environment to explore by; before ``learning_starts`` at random."""
        if not (self.per_env_epsilon or self.action_masks or self.policy.noisy):
            return super()._sample_action(learning_starts, action_noise, n_envs)
        if self.action_masks and self._masks is None:
            self._masks = self._read_masks()
        epsilon = 1.0 if self.num_timesteps < learning_starts else self.exploration_rate
        assert self._last_obs is not None
        actions = self._explore(self._last_obs, epsilon, self._masks)
        return actions, actions

    def predict(
        self,
        observation: Any,
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
        action_masks: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Actions, as Stable-Baselines3's; with masks of shape ``(actions,)`` or ``(n, actions)``, legal ones."""
        if action_masks is None and (deterministic or not (self.per_env_epsilon or self.policy.noisy)):
            return super().predict(observation, state, episode_start, deterministic)
        batch, vectorized = self.policy.obs_to_tensor(observation)
        rows = len(next(iter(batch.values()))) if isinstance(batch, dict) else len(batch)
        masks = None if action_masks is None else np.broadcast_to(action_masks, (rows, self._n_actions))
        actions = self._explore(observation, 0.0 if deterministic else self.exploration_rate, masks, deterministic)
        return (actions if vectorized else actions[0]), state

    @property
    def _n_actions(self) -> int:
        assert isinstance(self.action_space, spaces.Discrete)
        return int(self.action_space.n)

    def _explore(
        self, observations: Any, epsilon: float, masks: NDArray[np.bool_] | None, deterministic: bool = False
    ) -> NDArray[np.int64]:
        """The best legal action of each row, or with a chance of epsilon any legal one."""
        tensors, _ = self.policy.obs_to_tensor(observations)
        rows = len(next(iter(tensors.values()))) if isinstance(tensors, dict) else len(tensors)
        if self.per_env_epsilon:
            at_random = self._rng.random(rows) < epsilon
        else:
            at_random = np.full(rows, self._rng.random() < epsilon)
        actions = np.zeros(rows, dtype=np.int64)
        if not at_random.all():
            with th.no_grad():
                if self.policy.noisy and not deterministic:
                    with noise(self.q_net):
                        values = self.q_net(tensors)
                else:
                    values = self.q_net(tensors)
            actions = _legal(values, None if masks is None else th.from_numpy(np.array(masks))).argmax(1).cpu().numpy()
        if at_random.any():
            chances = self._rng.random((rows, self._n_actions))
            drawn = (chances if masks is None else np.where(masks, chances, -1.0)).argmax(1)
            actions = np.where(at_random, drawn, actions)
        return actions

    def _read_masks(self) -> NDArray[np.bool_]:
        assert self.env is not None
        return np.array(self.env.env_method("action_masks"), dtype=np.bool_)

    def _store_transition(self, replay_buffer: Any, *args: Any, **kwargs: Any) -> None:
        """Keep a step, and which actions are legal before and after it."""
        if self.action_masks:
            masks, self._masks = self._masks, self._read_masks()
            replay_buffer.stage_masks(masks, self._masks)
        super()._store_transition(replay_buffer, *args, **kwargs)

    def _on_step(self) -> None:
        super()._on_step()
        if self.policy.noisy:
            self.exploration_rate = 0.0  # noise explores
            self.logger.record("rollout/exploration_rate", 0.0)
        if self.auxiliary is not None and self.auxiliary_target is not None:
            if self._n_calls % max(self.target_update_interval // self.n_envs, 1) == 0:
                polyak_update(self.auxiliary.parameters(), self.auxiliary_target.parameters(), self.tau)

    # Learning

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """Updates from the replay, as Stable-Baselines3's; the switches change the target and the loss."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        parameters = [*self.q_net.parameters(), *(self.auxiliary.parameters() if self.auxiliary is not None else ())]
        losses, norm, errors, values = [], th.zeros(()), th.zeros(1), th.zeros(1)
        for _ in range(gradient_steps):
            batch: Any = self._sample(batch_size)
            self.policy.optimizer.zero_grad()
            if self.policy.noisy:
                with noise(self.q_net):
                    loss, errors, values = self._backward(batch)
            else:
                loss, errors, values = self._backward(batch)
            losses.append(loss)
            if self.prioritized:
                self._compact_replay.reprioritise(batch, errors.double().cpu().numpy())
            norm = th.nn.utils.clip_grad_norm_(parameters, self.max_grad_norm)
            self.policy.optimizer.step()
            self._n_updates += 1
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/loss", np.mean(losses))
        self.logger.record("train/td_error", errors.abs().mean().item())
        self.logger.record("train/q_mean", values.mean().item())
        self.logger.record("train/grad_norm", norm.item())

    def dump_logs(self) -> None:
        """Write figures; those of auxiliary tasks are made here, not at every update."""
        self._record_auxiliary()
        super().dump_logs()

    @property
    def _compact_replay(self) -> CompactReplay:
        assert isinstance(self.replay_buffer, CompactReplay)
        return self.replay_buffer

    def _sample(self, batch_size: int) -> Any:
        if not self._compact:
            return self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)  # type: ignore[union-attr]
        beta = 1.0 - (1.0 - self.priority_beta) * self._current_progress_remaining
        return self._compact_replay.sample(batch_size, env=self._vec_normalize_env, beta=beta)

    def _backward(self, batch: Any) -> tuple[float, th.Tensor, th.Tensor]:
        """Gradients of one batch; returns the agent's loss, its errors and its values, shape ``(m,)``."""
        auxiliary, twin = self.auxiliary, self.auxiliary_target
        if auxiliary is None or twin is None:
            loss, errors, values = self._td_loss(batch, self.q_net(batch.observations), self.q_net_target)
            loss.backward()
            return loss.item(), errors, values
        if auxiliary.shared is None:
            loss, errors, values = self._td_loss(batch, self.q_net(batch.observations), self.q_net_target)
            loss.backward()
        else:
            loss, errors, values = self._backward_shared(batch, auxiliary, twin)
        if self._n_updates % self.auxiliary_config.every == 0:
            auxiliary.learn_alone(twin, self.q_net, self.q_net_target, self._compact_replay)
        return loss.item(), errors, values

    def _backward_shared(
        self, batch: Batch, auxiliary: Auxiliaries, twin: Auxiliaries
    ) -> tuple[th.Tensor, th.Tensor, th.Tensor]:
        """The agent and pixel control learn from one pass through the convolutions."""
        online, target = self.q_net, self.q_net_target
        maps = online.maps(batch.observations)
        leaf = maps.detach().requires_grad_()
        view = View(leaf, online.trunk.features(leaf))
        with th.no_grad():
            next_maps = target.maps(batch.next_observations)
            ahead = View(next_maps, target.trunk.features(next_maps))
            next_values = target.q_net(ahead.features)
        loss, errors, values = self._td_loss(batch, online.q_net(view.features), next_values)
        on_features = auxiliary.config.pixel_head == "features"
        loss.backward(retain_graph=on_features)
        layers = list(online.trunk.linear.parameters()) if on_features else []
        auxiliary.learn_shared(twin, layers, view, ahead, batch, self._compact_replay)
        maps.backward(leaf.grad)
        return loss, errors, values

    def _td_loss(
        self, batch: Any, current: th.Tensor, target: SwitchedQNetwork | th.Tensor
    ) -> tuple[th.Tensor, th.Tensor, th.Tensor]:
        """The loss of temporal differences.

        Args:
            batch: What was replayed.
            current: Values of its observations, shape ``(m, actions)``.
            target: The target network, or its values of the next observations.
        """
        discounts = batch.discounts if batch.discounts is not None else self.gamma
        masks = getattr(batch, "next_masks", None)
        with th.no_grad():
            next_values = target(batch.next_observations) if isinstance(target, SwitchedQNetwork) else target
            if self.double:
                best = _legal(self.q_net(batch.next_observations), masks).argmax(1, keepdim=True)
                next_best = next_values.gather(1, best)
            else:
                next_best = _legal(next_values, masks).max(dim=1)[0].reshape(-1, 1)
            targets = batch.rewards + (1 - batch.dones) * discounts * next_best
        chosen = th.gather(current, dim=1, index=batch.actions.long())
        if self.prioritized:
            loss = (functional.smooth_l1_loss(chosen, targets, reduction="none") * batch.weights).mean()
        else:
            loss = functional.smooth_l1_loss(chosen, targets)
        values = chosen.detach().squeeze(1)
        return loss, values - targets.squeeze(1), values

    def _record_auxiliary(self) -> None:
        """Figures of auxiliary tasks, and the heat maps of pixel control."""
        if self.auxiliary is None:
            return
        for name, value in self.auxiliary.figures().items():
            self.logger.record(f"auxiliary/{name}", value)
        for task in self.auxiliary.tasks.values():
            for name, picture in (task.pictures() if isinstance(task, PixelControl) else {}).items():
                self.logger.record(
                    f"auxiliary/{task.name}/{name}_map", Image(picture, "HWC"), exclude=("stdout", "csv")
                )

    # Saving

    def get_extra_state(self) -> dict[str, Any]:
        """What decides how the agent goes on, beside what Stable-Baselines3's agents have."""
        state: dict[str, Any] = {"random": dict(self._rng.bit_generator.state)}
        if self.auxiliary is not None:
            state["auxiliary"] = self.auxiliary.get_notes()
        return state

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`get_extra_state` gave."""
        self._rng.bit_generator.state = state["random"]
        if self.auxiliary is not None:
            self.auxiliary.set_notes(state["auxiliary"])

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "auxiliary", "auxiliary_target"]

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        modules, variables = super()._get_torch_save_params()
        return (modules + ["auxiliary", "auxiliary_target"] if self.auxiliary is not None else modules), variables


def _legal(values: th.Tensor, masks: th.Tensor | None) -> th.Tensor:
    """Values, those of illegal actions below all others."""
    return values if masks is None else values.masked_fill(~masks.to(values.device), -th.inf)
