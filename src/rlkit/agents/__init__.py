"""The table of agents: a name, what can be set, for which actions it is, and how it is built.

Importing this does not load PyTorch.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import Box, Space

from rlkit.agents import config as configs
from rlkit.agents.config import AgentConfig, LearnerConfig
from rlkit.errors import UsageError, nearest

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from rlkit.agents.learner import Learner

ANY_ACTIONS = ("Discrete", "Box", "MultiDiscrete", "MultiBinary")
NOT_PASSED_ON = (
    "name",
    "learning_rate_schedule",
    "net_arch",
    "activation",
    "action_noise",
    "normalize_observations",
    "normalize_rewards",
    "initial_std",
    "towers",
    "desired_kl",
    "dueling",
    "noisy",
    "trunk",
)


@dataclass(frozen=True)
class AgentSpec:
    """A row of the table of agents.

    Attributes:
        algorithm: ``"module:class"``, a Stable-Baselines3 algorithm.
        config: What can be set.
        actions: Kinds of action space that it can handle.
        n_envs: Environments a run has when the user does not say.
        masked: The algorithm where the environment has action masks, if there is one.
        network: Arguments of its network that the algorithm sets by itself, and a policy's file does not have.
        options: Settings that shape its network beside the usual ones; the algorithm's ``network_kwargs`` takes them.
    """

    algorithm: str
    config: type[AgentConfig]
    actions: tuple[str, ...]
    n_envs: int
    masked: str | None = None
    network: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()


AGENTS: dict[str, AgentSpec] = {
    "ppo": AgentSpec(
        "rlkit.agents.ppo:LeanPPO", configs.PPOConfig, ANY_ACTIONS, 8, masked="rlkit.agents.ppo:LeanMaskablePPO"
    ),
    "dppo": AgentSpec("rlkit.agents.ppo:DPPO", configs.DPPOConfig, ("Box",), 8),
    "a2c": AgentSpec("stable_baselines3:A2C", configs.A2CConfig, ANY_ACTIONS, 8),
    "trpo": AgentSpec("sb3_contrib:TRPO", configs.TRPOConfig, ANY_ACTIONS, 8),
    "dqn": AgentSpec(
        "rlkit.agents.dqn:DQN",
        configs.DQNConfig,
        ("Discrete",),
        1,
        masked="rlkit.agents.dqn:DQN",
        options=("dueling", "noisy", "trunk"),
    ),
    "qrdqn": AgentSpec("sb3_contrib:QRDQN", configs.QRDQNConfig, ("Discrete",), 1),
    "sac": AgentSpec("stable_baselines3:SAC", configs.SACConfig, ("Box",), 1),
    "td3": AgentSpec("stable_baselines3:TD3", configs.TD3Config, ("Box",), 1),
    "ddpg": AgentSpec("stable_baselines3:DDPG", configs.DDPGConfig, ("Box",), 1, network={"n_critics": 1}),
    "tqc": AgentSpec("sb3_contrib:TQC", configs.TQCConfig, ("Box",), 1),
    "crossq": AgentSpec("sb3_contrib:CrossQ", configs.CrossQConfig, ("Box",), 1),
}


@dataclass(frozen=True)
class LearnerSpec:
    """A row of the table of learners: what a run trains that chooses no actions.

    Attributes:
        learner: ``"module:class"``, a :class:`~rlkit.agents.learner.Learner`.
        config: What can be set.
        n_envs: Environments a run has when the user does not say.
        evaluation: Module with ``evaluate``, its ``SETTINGS`` and ``markdown``, which judge what was learned.
    """

    learner: str
    config: type[LearnerConfig]
    n_envs: int
    evaluation: str


LEARNERS: dict[str, LearnerSpec] = {
    "pue_predictor": LearnerSpec(
        "rlkit.agents.predictor.learner:PuePredictor",
        configs.PuePredictorConfig,
        2,
        "rlkit.agents.predictor.judgement",
    ),
}

TRAINABLE: dict[str, AgentSpec | LearnerSpec] = {**AGENTS, **LEARNERS}  # what agent= chooses from


def agent_spec(name: str) -> AgentSpec:
    """The row of an agent.

    Raises:
        UsageError: If there is none of that name.
    """
    if name not in AGENTS:
        raise UsageError(f"unknown agent {name!r}: {nearest(name, AGENTS)}")
    return AGENTS[name]


def check_pairing(name: str, action_space: Space[Any]) -> None:
    """Refuse an agent that cannot choose such actions.

    Raises:
        UsageError: Naming the agents that can.
    """
    kind = type(action_space).__name__
    if kind not in agent_spec(name).actions:
        fitting = [other for other, spec in AGENTS.items() if kind in spec.actions]
        able = ", ".join(agent_spec(name).actions)
        advice = f"agents for {kind}: {', '.join(fitting)}" if fitting else f"no agent here handles {kind}"
        raise UsageError(f"agent={name} chooses {able} actions, this environment's are {action_space}; {advice}")
    if np.any(getattr(action_space, "start", 0) != 0):
        raise UsageError(f"agents count actions from 0, this environment's are {action_space}: wrap it to shift them")


def load_class(path: str) -> Any:
    """The class that ``"module:class"`` of the table names."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def build_agent(
    config: LearnerConfig, envs: VecEnv, *, seed: int, device: str, masked: bool
) -> BaseAlgorithm | Learner:
    """An untrained agent.

    Args:
        config: Its settings.
        envs: What it will learn from.
        seed: Of its weights, its actions and the environments.
        device: Of PyTorch: ``cpu``, ``cuda``, ``auto``.
        masked: Whether the environment has action masks.

    Returns:
        A Stable-Baselines3 algorithm, or a learner that is none.

    Raises:
        UsageError: If the agent cannot handle the environment's actions, a setting is out of its range, or there is no
            such device.
    """
    from rlkit.agents.policy import policy_class

    if config.name in LEARNERS:
        return load_class(LEARNERS[config.name].learner)(config, envs, seed=seed, device=device)
    check_pairing(config.name, envs.action_space)
    _check_device(device)
    spec = agent_spec(config.name)
    use_masks = masked and spec.masked is not None
    algorithm = load_class(spec.masked if use_masks and spec.masked else spec.algorithm)
    settings = {key: value for key, value in asdict(config).items() if key not in NOT_PASSED_ON}
    if isinstance(config, configs.PPOConfig) and config.desired_kl is not None:
        if use_masks:
            raise UsageError("agent.desired_kl is for continuous actions, this environment's are masked: leave it null")
        settings["desired_kl"] = config.desired_kl
    _schedule(config.learning_rate_schedule, settings)
    if isinstance(config, configs.DQNConfig):
        settings.update(action_masks=use_masks, frame_stack=(envs.metadata or {}).get("frame_stack", 1))
    if isinstance(config, configs.TD3Config):
        settings["action_noise"] = _action_noise(config.action_noise, envs.action_space)
    network = _network(config, envs, use_masks)
    try:
        agent: BaseAlgorithm = algorithm(
            policy_class(config.name, envs.observation_space, masked=use_masks),
            envs,
            policy_kwargs=network,
            seed=seed,
            device=device,
            **settings,
        )
    except (AssertionError, ValueError, RuntimeError) as error:  # the algorithm's own checks of settings and spaces
        raise UsageError(f"agent={config.name} refuses its settings, or this environment: {error}") from error
    if isinstance(config, configs.OnPolicyConfig) and config.normalize_rewards:
        _normalize_rewards(envs, config.gamma)
    # Episodes in rollout/ep_rew_mean: SB3's 100, or one of each environment. DDPG's constructor has no such argument.
    agent._stats_window_size = max(100, envs.num_envs)
    return agent


def _network(config: LearnerConfig, envs: VecEnv, use_masks: bool) -> dict[str, Any]:
    """Arguments of an agent's network."""
    from rlkit.agents.policy import network_options, policy_kwargs

    if not isinstance(config, configs.OnPolicyConfig):
        options = network_options(config.name, envs.observation_space, vars(config))
        if isinstance(config, configs.ContinuousConfig):
            options["optimizer_kwargs"] = {"fused": True}  # Adam: an update takes a tenth less time
        return {**policy_kwargs(config.net_arch, config.activation), **options}
    if config.n_steps * envs.num_envs < 2:
        raise UsageError("an update needs at least two steps: raise agent.n_steps or n_envs")
    if config.normalize_observations and not isinstance(envs.observation_space, Box):
        raise UsageError(
            f"agent.normalize_observations is for Box observations, this environment's are {envs.observation_space}: "
            "leave it false"
        )
    towers = isinstance(config, configs.MinibatchConfig) and config.towers
    return policy_kwargs(
        config.net_arch,
        config.activation,
        normalize=config.normalize_observations,
        groups=_observation_groups(envs, use_masks) if towers else None,
        log_std=math.log(config.initial_std) if isinstance(envs.action_space, Box) else None,
    )


def _observation_groups(envs: VecEnv, use_masks: bool) -> dict[str, tuple[int, int]]:
    """Which observations get a tower of their own.

    Raises:
        UsageError: If the environment does not say, or the algorithm cannot have towers.
    """
    from rlkit.agents.ppo.towers import check_groups

    space, groups = envs.observation_space, getattr(envs, "observation_groups", None)
    if use_masks:
        raise UsageError("agent.towers is for actions without masks, this environment's have them: leave it false")
    if groups is None or not (isinstance(space, Box) and len(space.shape) == 1):
        raise UsageError(
            "agent.towers needs an environment that tells which of its observations belong together, by an attribute "
            "observation_groups such as {'proprioception': (0, 17), 'terrain': (17, 33)}, and observes a flat Box; "
            "this one does not: leave it false"
        )
    return check_groups(groups, space.shape[0])


def _normalize_rewards(envs: VecEnv, gamma: float) -> None:
    """Have the adapter scale rewards.

    Raises:
        UsageError: If the environments are not behind it.
    """
    from rlkit.agents.normalization import RewardNormalizer
    from rlkit.agents.vecenv import VecEnvAdapter

    if not isinstance(envs, VecEnvAdapter):
        raise UsageError("agent.normalize_rewards needs environments behind rlkit.agents.vecenv.VecEnvAdapter")
    envs.reward_normalizer = RewardNormalizer(envs.num_envs, gamma)


class LinearSchedule:
    """From a value at the start of the run to zero at its end."""

    def __init__(self, initial: float) -> None:
        self.initial = initial

    def __call__(self, progress_remaining: float) -> float:
        """The value when this share of the run is left."""
        return self.initial * progress_remaining


def _schedule(name: str, settings: dict[str, Any]) -> None:
    """Let the learning rate fall, or the divergence that it is adapted to, if the schedule is to."""
    if name == "linear":
        falls = "desired_kl" if "desired_kl" in settings else "learning_rate"
        settings[falls] = LinearSchedule(settings[falls])
    elif name != "constant":
        raise UsageError(f"agent.learning_rate_schedule must be constant or linear, got {name!r}")


def _check_device(device: str) -> None:
    """Refuse a device that is not there: Stable-Baselines3 would quietly take the CPU."""
    import torch as th

    try:
        th.zeros(1, device=None if device == "auto" else device).item()
    except (RuntimeError, AssertionError) as error:  # unknown, absent, or PyTorch was built without it
        raise UsageError(
            f"PyTorch cannot compute on device={device} here: it must be cpu, auto, or a device that is there, "
            "such as cuda or cuda:1"
        ) from error


def _action_noise(sigma: float, action_space: Space[Any]) -> Any:
    from stable_baselines3.common.noise import NormalActionNoise

    shape = action_space.shape or (1,)
    return NormalActionNoise(np.zeros(shape), np.full(shape, sigma)) if sigma > 0 else None
