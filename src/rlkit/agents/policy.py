"""A trained policy as two files, safetensors and JSON, that load anywhere and cannot run code.

What the JSON names is looked up in rlkit's own tables (agents, activations, kinds of space); nothing in it is imported.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch as th
from gymnasium import spaces
from numpy.typing import NDArray
from safetensors.torch import load, save
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import is_image_space

from rlkit.agents import AGENTS, LEARNERS, load_class
from rlkit.agents.config import AgentConfig
from rlkit.agents.normalization import Normalizer
from rlkit.agents.spaces import channels_first, space_from_json, space_to_json
from rlkit.errors import UsageError, nearest
from rlkit.files import write_together

if TYPE_CHECKING:
    from rlkit.envs.negotiation.partners import Turns

FORMAT = 1
WEIGHTS, DESCRIPTION = "weights.safetensors", "policy.json"
BEFORE_OPTIONS = {"trunk": "nature"}  # policies that do not say are from when there was no other
ACTIVATIONS: dict[str, type[th.nn.Module]] = {"tanh": th.nn.Tanh, "relu": th.nn.ReLU}


def policy_class(agent: str, observation_space: spaces.Space[Any], *, masked: bool) -> type[BasePolicy]:
    """The network's class for an agent and what it observes: vectors, pictures or a dictionary of these."""
    spec = AGENTS[agent]
    algorithm = load_class(spec.masked if masked and spec.masked else spec.algorithm)
    if isinstance(observation_space, spaces.Dict):
        alias = "MultiInputPolicy"
    else:
        alias = "CnnPolicy" if is_image_space(observation_space) else "MlpPolicy"
    return algorithm.policy_aliases[alias]


def policy_kwargs(
    net_arch: list[int],
    activation: str,
    *,
    normalize: bool = False,
    groups: Mapping[str, tuple[int, int]] | None = None,
    log_std: float | None = None,
) -> dict[str, Any]:
    """The network's arguments from their names.

    Args:
        net_arch: Widths of the hidden layers.
        activation: Between them.
        normalize: Whether a :class:`~rlkit.agents.normalization.Normalizer` comes before them.
        groups: Observations that have hidden layers of their own: columns by name; None: all have the same.
        log_std: Logarithm of the first actions' standard deviation; None: there is none to set.

    Raises:
        UsageError: If a width or the activation is not possible.
    """
    if activation not in ACTIVATIONS:
        raise UsageError(f"unknown agent.activation {activation!r}: {nearest(activation, ACTIVATIONS)}")
    if any(isinstance(width, bool) or not isinstance(width, int) or width < 1 for width in net_arch):
        raise UsageError(f"agent.net_arch must be a list of widths >= 1, such as [64,64]; got {net_arch}")
    if groups is not None and not net_arch:
        raise UsageError("agent.towers needs hidden layers: agent.net_arch must have at least one width")
    kwargs: dict[str, Any] = {"net_arch": list(net_arch), "activation_fn": ACTIVATIONS[activation]}
    if normalize:
        kwargs["features_extractor_class"] = Normalizer
    if groups is not None:
        kwargs["observation_groups"] = dict(groups)
    if log_std is not None:
        kwargs["log_std_init"] = log_std
    return kwargs


def network_options(agent: str, observation_space: spaces.Space[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The network's arguments from the settings that only some agents have.

    Args:
        agent: Its name.
        observation_space: Of one environment.
        settings: Its own, among others.
    """
    spec = AGENTS[agent]
    if not spec.options:
        return {}
    chosen = {name: settings[name] for name in spec.options if name in settings}
    found: dict[str, Any] = load_class(spec.algorithm).network_kwargs(observation_space, **chosen)
    return found


class Policy:
    """A trained policy: observations in, actions out.

    Args:
        network: Of Stable-Baselines3.
        observation_space: Of one environment; pictures may have their channels last, the network has them first.
        description: What ``policy.json`` says.

    Attributes:
        agent: Name of the algorithm that trained it.
        env_id: What it was trained on.
        observation_space: Of one environment.
        action_space: Of one environment.
    """

    def __init__(
        self, network: BasePolicy, observation_space: spaces.Space[Any], description: Mapping[str, Any]
    ) -> None:
        self._network = network.eval()
        self._has_distribution = hasattr(network, "get_distribution")  # else it has values, and always takes the best
        self.description = dict(description)
        self.agent = str(description["agent"])
        self.env_id = str(description["env_id"])
        self.observation_space = observation_space
        self.action_space = network.action_space

    def predict(self, obs: Any, mask: NDArray[np.bool_] | None = None, rng: np.random.Generator | None = None) -> Any:
        """Actions for one observation or a batch of them.

        Args:
            obs: Shape of :attr:`observation_space`, or ``(n, ...)`` of these.
            mask: Legal actions of a ``Discrete`` space, shape ``(actions,)`` or ``(n, actions)``; None: all.
            rng: Draws from the policy's distribution, if it has one (``Discrete`` only); None takes its best action.

        Returns:
            The action, or ``n`` of them.

        Raises:
            ValueError: If shapes do not fit, an observation is not finite, or no action is legal.
        """
        batch, single = self._batched(obs)
        if not isinstance(self.action_space, spaces.Discrete):
            if mask is not None or rng is not None:
                raise UsageError(f"mask and rng are for Discrete actions, this policy's are {self.action_space}")
            actions, _ = self._network.predict(batch, deterministic=True)
        else:
            scores = self._scores(batch)
            if mask is not None:
                scores = _masked(scores, mask)
            uniforms = None if rng is None else rng.random(len(scores))
            actions = self._choose(scores, uniforms) + int(self.action_space.start)
        return actions[0] if single else actions

    def act(self, turns: Turns) -> NDArray[np.int64]:
        """Play as an opponent: the best legal action of each game, shape ``(m,)``."""
        return np.asarray(self.predict(turns.observations, turns.action_masks), dtype=np.int64)

    def _batched(self, obs: Any) -> tuple[Any, bool]:
        """Observations as a batch, and whether it was a single one."""
        space = self.observation_space
        if not isinstance(space, spaces.Dict):
            return self._batched_part(obs, space, "observations")
        if not isinstance(obs, Mapping) or set(obs) != set(space.spaces):
            got = sorted(map(str, obs)) if isinstance(obs, Mapping) else type(obs).__name__
            raise UsageError(f"observations must be a dictionary of {', '.join(space.spaces)}, got {got}")
        parts = {key: self._batched_part(obs[key], space[key], f"observations[{key!r}]") for key in space.spaces}
        sizes = {(len(batch), single) for batch, single in parts.values()}
        if len(sizes) > 1:
            raise UsageError("all parts of the observations must be of one environment, or of as many environments")
        return {key: batch for key, (batch, _) in parts.items()}, sizes.pop()[1]

    def _batched_part(self, obs: Any, space: spaces.Space[Any], name: str) -> tuple[NDArray[Any], bool]:
        array, shape = np.asarray(obs), space.shape or ()
        single = array.shape == shape
        if array.dtype.kind not in "fiub" or (not single and (array.ndim == 0 or array.shape[1:] != shape)):
            batch = f"(n, {', '.join(map(str, shape))})" if shape else "(n,)"
            raise UsageError(
                f"{name} must be numbers of shape {shape} or {batch}, got {array.dtype} of shape {array.shape}; "
                f"this policy was trained on {self.env_id}"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise UsageError(f"{name} must be finite, got NaN or infinity")
        return (array[None] if single else array), single

    def _scores(self, batch: Any) -> NDArray[np.float64]:
        """Log-probabilities up to a constant, or values, of every action: shape ``(n, actions)``."""
        network: Any = self._network
        with th.no_grad():
            tensor, _ = network.obs_to_tensor(batch)
            if self._has_distribution:
                scores = network.get_distribution(tensor).distribution.logits
            elif hasattr(network, "quantile_net"):
                scores = network.quantile_net(tensor).mean(1)
            else:
                scores = network.q_net(tensor)
        return scores.double().cpu().numpy()

    def _choose(self, scores: NDArray[np.float64], uniforms: NDArray[np.float64] | None) -> NDArray[np.int64]:
        if uniforms is None or not self._has_distribution:
            return scores.argmax(1)
        weights = np.exp(scores - scores.max(1, keepdims=True))
        cumulative = weights.cumsum(1)
        return (cumulative <= uniforms[:, None] * cumulative[:, -1:]).sum(1)


def _masked(scores: NDArray[np.float64], mask: Any) -> NDArray[np.float64]:
    mask = np.asarray(mask, dtype=np.bool_)
    if mask.shape not in (scores.shape, scores.shape[1:]):
        raise UsageError(f"mask must have shape {scores.shape} or {scores.shape[1:]}, got {mask.shape}")
    legal = np.broadcast_to(mask, scores.shape)
    if not legal.any(1).all():
        raise UsageError(f"mask leaves no legal action in row {int(np.flatnonzero(~legal.any(1))[0])}")
    return np.where(legal, scores, -np.inf)


def save_policy(folder: Path, model: BaseAlgorithm, config: AgentConfig, *, env_id: str, masked: bool) -> None:
    """Write a policy: ``weights.safetensors`` and ``policy.json``.

    Args:
        folder: Made if it is not there.
        model: What was trained.
        config: Its settings.
        env_id: What it was trained on.
        masked: Whether its network takes action masks.
    """
    weights = save({name: tensor.cpu().contiguous().clone() for name, tensor in model.policy.state_dict().items()})
    description: dict[str, Any] = {
        "format": FORMAT,
        "agent": config.name,
        "masked": masked,
        "env_id": env_id,
        "steps": model.num_timesteps,
        "net_arch": list(config.net_arch),
        "activation": config.activation,
        "normalize_observations": getattr(config, "normalize_observations", False),
        "observation_groups": _listed_groups(model),
        "reward_scale": _reward_scale(model),
        "observation_space": space_to_json(env_observation_space(model)),
        "action_space": space_to_json(model.action_space),
    }
    if AGENTS[config.name].options:
        description["network"] = {name: getattr(config, name) for name in AGENTS[config.name].options}
    write_export(folder, weights, description)


def _listed_groups(model: BaseAlgorithm) -> list[list[Any]] | None:
    """Name, first column and the one after the last of each group that has a tower; None without towers."""
    groups = getattr(model.policy, "observation_groups", None)
    return None if groups is None else [[name, *columns] for name, columns in groups.items()]


def _reward_scale(model: BaseAlgorithm) -> float:
    """What rewards were multiplied by at the end: the unit of what a value network says."""
    scale = float(getattr(model.env, "reward_scale", 1.0))
    normalizer = getattr(model.env, "reward_normalizer", None)
    return scale if normalizer is None else scale * normalizer.scale


def write_export(folder: Path, weights: bytes, description: Mapping[str, Any]) -> None:
    """Write what was learned: safetensors, and what is said of them with the sum of both.

    Args:
        folder: Made if it is not there.
        weights: In the format of safetensors.
        description: JSON; has ``format`` and ``agent``.
    """
    described = {**description, "sha256": _sha256(weights, description)}
    folder.mkdir(parents=True, exist_ok=True)
    write_together({folder / WEIGHTS: weights, folder / DESCRIPTION: json.dumps(described, indent=2) + "\n"})


def env_observation_space(model: BaseAlgorithm) -> spaces.Space[Any]:
    """What the environment shows: Stable-Baselines3 has put the channels of pictures first."""
    return model.observation_space if model.env is None else model.env.unwrapped.observation_space


def _sha256(weights: bytes, description: Mapping[str, Any]) -> str:
    """Of the weights, followed by what is said of them."""
    said = {key: value for key, value in description.items() if key != "sha256"}
    return hashlib.sha256(weights + json.dumps(said, sort_keys=True).encode()).hexdigest()


def load_policy(path: str | Path) -> Policy:
    """Read a policy that a run left.

    Args:
        path: A run folder, or its ``policy/``.

    Returns:
        The policy, on the CPU.

    Raises:
        UsageError: If there is none, it is of a newer format, or its files are damaged or do not fit together.
    """
    folder, description, weights = read_export(path)
    if str(description.get("agent")) in LEARNERS:
        raise UsageError(
            f"{folder} holds a predictor, which chooses no actions: rlkit.agents.predictor.model.load_predictor reads "
            "it, and rlkit.agents.predictor.search.SearchController acts by it"
        )
    try:
        observation_space = space_from_json(description["observation_space"])
        network = _network(observation_space, description)
        network.load_state_dict(load(weights))
        return Policy(network, observation_space, description)
    except UsageError:
        raise
    except Exception as error:  # whatever comes of a description that somebody changed, sum and all
        raise UsageError(f"{folder} does not describe a policy that rlkit can build: {error!r}") from error


def read_export(path: str | Path) -> tuple[Path, dict[str, Any], bytes]:
    """Read what :func:`write_export` wrote, its sum checked.

    Args:
        path: A run folder, or its ``policy/``.

    Returns:
        The folder, the description, the weights in the format of safetensors.

    Raises:
        UsageError: If there is none, it is of a newer format, or its files are damaged.
    """
    folder = Path(path).expanduser()
    folder = folder / "policy" if (folder / "policy").is_dir() else folder
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        weights = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise UsageError(
            f"no policy in {str(path)!r}: cannot read {error.filename} ({error.strerror}). Give a run folder that has "
            "a policy/ (training writes it with every checkpoint), or that folder itself"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{folder / DESCRIPTION} is damaged: {error}") from error
    if not isinstance(description, dict) or not isinstance(description.get("format"), int):
        raise UsageError(f"{folder / DESCRIPTION} does not describe a policy of rlkit")
    if description["format"] > FORMAT:
        raise UsageError(
            f"{folder} has format {description['format']}, this rlkit reads up to {FORMAT}: install a newer rlkit"
        )
    if _sha256(weights, description) != description.get("sha256"):
        raise UsageError(f"{folder} is damaged: {WEIGHTS} and {DESCRIPTION} do not have the sha256 in the latter")
    return folder, description, weights


def _network(observation_space: spaces.Space[Any], description: Mapping[str, Any]) -> BasePolicy:
    agent = description["agent"]
    if agent not in AGENTS:
        raise UsageError(f"the policy is of an unknown agent {agent!r}: {nearest(str(agent), AGENTS)}")
    build: Any = policy_class(agent, observation_space, masked=bool(description["masked"]))
    normalize = bool(description.get("normalize_observations", False))
    listed = description.get("observation_groups")
    groups = None if listed is None else {name: (start, stop) for name, start, stop in listed}
    kwargs = policy_kwargs(description["net_arch"], description["activation"], normalize=normalize, groups=groups)
    kwargs |= network_options(agent, observation_space, description.get("network", BEFORE_OPTIONS))
    action_space = space_from_json(description["action_space"])
    return build(channels_first(observation_space), action_space, lambda _: 0.0, **kwargs, **AGENTS[agent].network)
