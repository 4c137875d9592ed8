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
from safetensors import SafetensorError
from safetensors.torch import load, save
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import is_image_space

from rlkit.agents import AGENTS, load_class
from rlkit.agents.config import AgentConfig
from rlkit.errors import UsageError, nearest

if TYPE_CHECKING:
    from rlkit.envs.negotiation.partners import Turns

FORMAT = 1
WEIGHTS, DESCRIPTION = "weights.safetensors", "policy.json"
ACTIVATIONS: dict[str, type[th.nn.Module]] = {"tanh": th.nn.Tanh, "relu": th.nn.ReLU}
_DTYPES = ("float32", "float64", "uint8", "int8", "int32", "int64", "bool")


def policy_class(agent: str, observation_space: spaces.Space[Any], *, masked: bool) -> type[BasePolicy]:
    """The network's class for an agent and what it observes: vectors, pictures or a dictionary of these."""
    spec = AGENTS[agent]
    algorithm = load_class(spec.masked if masked and spec.masked else spec.algorithm)
    if isinstance(observation_space, spaces.Dict):
        alias = "MultiInputPolicy"
    else:
        alias = "CnnPolicy" if is_image_space(observation_space) else "MlpPolicy"
    return algorithm.policy_aliases[alias]


def policy_kwargs(net_arch: list[int], activation: str) -> dict[str, Any]:
    """The network's arguments from their names.

    Raises:
        UsageError: If a width or the activation is not possible.
    """
    if activation not in ACTIVATIONS:
        raise UsageError(f"unknown agent.activation {activation!r}: {nearest(activation, ACTIVATIONS)}")
    if any(isinstance(width, bool) or not isinstance(width, int) or width < 1 for width in net_arch):
        raise UsageError(f"agent.net_arch must be a list of widths >= 1, such as [64,64]; got {net_arch}")
    return {"net_arch": list(net_arch), "activation_fn": ACTIVATIONS[activation]}


class Policy:
    """A trained policy: observations in, actions out.

    Attributes:
        agent: Name of the algorithm that trained it.
        env_id: What it was trained on.
        observation_space: Of one environment.
        action_space: Of one environment.
    """

    def __init__(self, network: BasePolicy, description: Mapping[str, Any]) -> None:
        self._network = network.eval()
        self._has_distribution = hasattr(network, "get_distribution")  # else it has values, and always takes the best
        self.description = dict(description)
        self.agent = str(description["agent"])
        self.env_id = str(description["env_id"])
        self.observation_space = network.observation_space
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
        space = self.observation_space
        if isinstance(space, spaces.Dict):
            single = np.ndim(obs[next(iter(space.spaces))]) == len(space[next(iter(space.spaces))].shape or ())
            return ({key: np.asarray(part)[None] for key, part in obs.items()} if single else obs), single
        array, shape = np.asarray(obs), space.shape or ()
        single = array.shape == shape
        if not single and array.shape[1:] != shape:
            raise UsageError(
                f"observations must have shape {shape} or (n, {', '.join(map(str, shape))}), got {array.shape}; "
                f"this policy was trained on {self.env_id}"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise UsageError("observations must be finite, got NaN or infinity")
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
    description = {
        "format": FORMAT,
        "agent": config.name,
        "masked": masked,
        "env_id": env_id,
        "steps": model.num_timesteps,
        "net_arch": list(config.net_arch),
        "activation": config.activation,
        "observation_space": space_to_json(model.observation_space),
        "action_space": space_to_json(model.action_space),
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(weights)
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def load_policy(path: str | Path) -> Policy:
    """Read a policy that a run left.

    Args:
        path: A run folder, or its ``policy/``.

    Returns:
        The policy, on the CPU.

    Raises:
        UsageError: If there is none, it is of a newer format, or its files are damaged or do not fit together.
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
    except ValueError as error:
        raise UsageError(f"{folder / DESCRIPTION} is damaged: {error}") from error
    if not isinstance(description, dict) or not isinstance(description.get("format"), int):
        raise UsageError(f"{folder / DESCRIPTION} does not describe a policy of rlkit")
    if description["format"] > FORMAT:
        raise UsageError(
            f"{folder} has format {description['format']}, this rlkit reads up to {FORMAT}: install a newer rlkit"
        )
    if hashlib.sha256(weights).hexdigest() != description.get("sha256"):
        raise UsageError(f"{folder / WEIGHTS} is damaged: its sha256 is not the one in {DESCRIPTION}")
    try:
        network = _network(description)
        network.load_state_dict(load(weights))
    except (KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise UsageError(f"{folder} does not describe a policy that rlkit can build: {error!r}") from error
    return Policy(network, description)


def _network(description: Mapping[str, Any]) -> BasePolicy:
    agent = description["agent"]
    if agent not in AGENTS:
        raise UsageError(f"the policy is of an unknown agent {agent!r}: {nearest(str(agent), AGENTS)}")
    observation_space = space_from_json(description["observation_space"])
    build: Any = policy_class(agent, observation_space, masked=bool(description["masked"]))
    kwargs = policy_kwargs(description["net_arch"], description["activation"])
    return build(observation_space, space_from_json(description["action_space"]), lambda _: 0.0, **kwargs)


def space_to_json(space: spaces.Space[Any]) -> dict[str, Any]:
    """A space as JSON: Box, Discrete, MultiDiscrete, MultiBinary, or a Dict of these."""
    if isinstance(space, spaces.Box):
        bounds = {name: _compact(getattr(space, name)) for name in ("low", "high")}
        return {"kind": "Box", **bounds, "shape": list(space.shape), "dtype": str(space.dtype)}
    if isinstance(space, spaces.Discrete):
        return {"kind": "Discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        return {"kind": "MultiDiscrete", "nvec": space.nvec.tolist()}
    if isinstance(space, spaces.MultiBinary):
        return {"kind": "MultiBinary", "n": int(space.n) if isinstance(space.n, int | np.integer) else list(space.n)}
    if isinstance(space, spaces.Dict):
        return {"kind": "Dict", "spaces": {key: space_to_json(part) for key, part in space.spaces.items()}}
    raise UsageError(f"policies of {type(space).__name__} spaces cannot be saved")


def space_from_json(data: Mapping[str, Any]) -> spaces.Space[Any]:
    """The space that :func:`space_to_json` described.

    Raises:
        KeyError: If it describes none.
    """
    kind = data["kind"]
    if kind == "Box":
        if data["dtype"] not in _DTYPES:
            raise KeyError(data["dtype"])
        shape, dtype = tuple(data["shape"]), np.dtype(data["dtype"])
        low, high = (np.broadcast_to(np.array(data[name], dtype=dtype), shape) for name in ("low", "high"))
        return spaces.Box(low, high, shape, dtype)
    if kind == "Discrete":
        return spaces.Discrete(data["n"], start=data["start"])
    if kind == "MultiDiscrete":
        return spaces.MultiDiscrete(data["nvec"])
    if kind == "MultiBinary":
        return spaces.MultiBinary(data["n"])
    if kind == "Dict":
        return spaces.Dict({key: space_from_json(part) for key, part in data["spaces"].items()})
    raise KeyError(kind)


def _compact(bounds: NDArray[Any]) -> Any:
    """One number where all are the same."""
    values = np.unique(bounds)
    return values[0].item() if len(values) == 1 else bounds.tolist()
