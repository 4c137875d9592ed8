"""The configuration of a run: dataclasses, filled by Hydra from `rlkit.conf` and the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, IntegerNode, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rlkit.agents import TRAINABLE
from rlkit.agents.config import MinibatchConfig
from rlkit.errors import UsageError, nearest
from rlkit.training.limits import check

FORMAT = 1


@dataclass(kw_only=True)
class EnvConfig:
    """An environment.

    Attributes:
        name: In the table of environment configurations.
        id: Gymnasium's.
        eval_kwargs: Arguments that are others when an agent is judged.
        pixels: The agent sees what is drawn, as small grey pictures (:class:`rlkit.envs.pixels.Pixels`), in place of
            the observations. ``pixels=true`` is short for it.
        pixels_edge: Of these pictures, along each side.
        pixels_stack: Pictures in an observation.
    """

    name: str
    id: str
    eval_kwargs: dict[str, Any] = field(default_factory=dict)
    pixels: bool = False
    pixels_edge: int = 84
    pixels_stack: int = 4

    def arguments(self, *, judging: bool = False) -> dict[str, Any]:
        """Arguments of the environment, for training or for judging."""
        own = [f.name for f in fields(self) if f.name not in _OF_EVERY_ENV]
        given = {name: getattr(self, name) for name in own}
        given.update(given.pop("kwargs", {}))
        return {**given, **(self.eval_kwargs if judging else {})}


_OF_EVERY_ENV = tuple(f.name for f in fields(EnvConfig))  # all others are arguments of the environment
SHORT = {"pixels": "env.pixels"}  # keys that can be written without their group


@dataclass(kw_only=True)
class NegotiationConfig(EnvConfig):
    """The item-split game; :class:`rlkit.envs.negotiation.env.NegotiationEnv` explains the arguments.

    Two of the ten bots, ``tit_for_tat`` and ``bluffer``, are kept out of training, to see how it meets strangers.
    """

    name: str = "negotiation"
    id: str = "rlkit/Negotiation-v0"
    opponent: Any = field(
        default_factory=lambda: [
            "random",
            "hardliner",
            "soft",
            "boulware",
            "linear",
            "conceder",
            "rule",
            "bayesian",
        ]
    )
    seat: Any = "random"
    max_turns: int = 10
    discount: float = 1.0
    prob_end: float = 0.0
    walk_away: bool = False
    illegal: str = "end"
    scenarios: str = "train"
    eval_kwargs: dict[str, Any] = field(default_factory=lambda: {"scenarios": "test"})


@dataclass(kw_only=True)
class CoolingConfig(EnvConfig):
    """The data center; :class:`rlkit.envs.cooling.env.CoolingEnv` explains the arguments.

    One week in four, of weather and of workload, is kept out of training, and agents are judged on these.
    """

    name: str = "cooling"
    id: str = "rlkit/DataCenterCooling-v0"
    plant: Any = "two_zone"
    weather: Any = "temperate"
    workload: Any = "diurnal"
    control: str = "supervisory"
    split: str = "train"
    step_s: float = 300.0
    episode_days: float = 1.0
    start: Any = "random"
    sensors: Any = "standard"
    faults: Any = "none"
    forecast: Any = None
    load_noise: Any = 0.02
    reward: Any = "weighted"
    price: Any = 0.10
    limits: Any = "recommended"
    safety: Any = "none"
    eval_kwargs: dict[str, Any] = field(default_factory=lambda: {"split": "test"})


@dataclass(kw_only=True)
class LocomotionConfig(EnvConfig):
    """The obstacle course; :class:`rlkit.envs.locomotion.env.ObstacleCourseEnv` explains the arguments.

    Agents learn on courses that grow harder along the way, and are judged on the same; ``eval_kwargs`` changes that.
    """

    name: str = "locomotion"
    id: str = "rlkit/ObstacleCourse-v0"
    body: Any = "walker"
    terrain: str = "hurdles"
    difficulty: float = 1.0
    curriculum: str = "along"
    course_seed: int | None = None
    episode_s: float = 20.0
    limits: Any = None
    reward: Any = None
    conditions: Any = None
    course: Any = None
    threads: int | None = None


@dataclass(kw_only=True)
class SpriteConfig(EnvConfig):
    """A tiny task of pixels; :class:`rlkit.envs.sprite.env.SpriteEnv` explains the arguments."""

    name: str = "sprite"
    id: str = "rlkit/Sprite-v0"
    fields: int = 14
    distractors: int = 2
    frame_stack: int = 2
    max_steps: int = 60


@dataclass(kw_only=True)
class MinAtarConfig(EnvConfig):
    """A game of MinAtar; :class:`rlkit.envs.games.MinAtarEnv` explains the arguments."""

    name: str = "minatar"
    id: str = "rlkit/MinAtar-v0"
    game: str = "breakout"
    sticky: float = 0.1
    ramping: bool = True
    max_episode_steps: int = 5000


@dataclass(kw_only=True)
class ArcadeConfig(EnvConfig):
    """An Atari game; :func:`rlkit.envs.games.make_arcade` explains the arguments."""

    name: str = "arcade"
    id: str = "rlkit/Arcade-v0"
    game: str = "Pong"
    frame_skip: int = 4
    frame_stack: int = 4
    edge: int = 84
    sticky: float = 0.25
    life_ends: bool = False
    eval_kwargs: dict[str, Any] = field(default_factory=lambda: {"life_ends": False})


@dataclass(kw_only=True)
class DoomConfig(EnvConfig):
    """A scenario of ViZDoom; :class:`rlkit.envs.doom.DoomEnv` explains the arguments."""

    name: str = "doom"
    id: str = "rlkit/Doom-v0"
    scenario: str = "Basic"
    frame_skip: int = 4
    frame_stack: int = 4


@dataclass(kw_only=True)
class GymConfig(EnvConfig):
    """Any environment that is registered with Gymnasium (``module:Name-v0`` imports the module first).

    Attributes:
        kwargs: Its arguments.
    """

    name: str = "gym"
    id: str = "CartPole-v1"
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True)
class RewardConfig:
    """Where the reward comes from: the environment.

    Attributes:
        name: In the table of rewards.
        scale: What the agent's reward is multiplied by; reported returns are not.
    """

    name: str = "env"
    scale: float = 1.0


ENVS: dict[str, type[EnvConfig]] = {
    "negotiation": NegotiationConfig,
    "cooling": CoolingConfig,
    "locomotion": LocomotionConfig,
    "sprite": SpriteConfig,
    "minatar": MinAtarConfig,
    "arcade": ArcadeConfig,
    "doom": DoomConfig,
    "gym": GymConfig,
}
REWARDS: dict[str, type[RewardConfig]] = {"env": RewardConfig}
GROUPS: dict[str, Mapping[str, Any]] = {
    "env": ENVS,
    "agent": {name: spec.config for name, spec in TRAINABLE.items()},
    "reward": REWARDS,
}


@dataclass(kw_only=True)
class RunConfig:
    """A run.

    Attributes:
        env: What is played.
        agent: What learns.
        reward: What it learns from.
        steps: Environment steps of the whole run.
        seed: Of everything that is random.
        n_envs: Environments stepped together; None: what suits the agent.
        device: Of PyTorch: cpu, cuda, auto.
        threads: Of PyTorch; 0: one for each physical core.
        run_dir: The run folder; None: runs/<env>-<agent>/<date>-s<seed>.
        resume: A run folder to go on with.
        log_every: Steps between two rows of figures.
        eval_every: Steps between two evaluations; 0: none.
        eval_episodes: Episodes of an evaluation.
        checkpoint_every: Steps between two checkpoints; 0: one at the end only.
        keep_checkpoints: How many of the newest are kept.
        evaluate: Judge the agent at the end.
        progress: Show the progress bar.
    """

    env: Any = None
    agent: Any = None
    reward: Any = None
    steps: int = 100_000
    seed: int = 0
    n_envs: int | None = None
    device: str = "cpu"
    threads: int = 0
    run_dir: str | None = None
    resume: str | None = None
    log_every: int = 1_000
    eval_every: int = 10_000
    eval_episodes: int = 32
    checkpoint_every: int = 20_000
    keep_checkpoints: int = 3
    evaluate: bool = True
    progress: bool = True

    @property
    def env_label(self) -> str:
        """The environment's short name, used for folders."""
        return self.env.id.split(":")[-1].replace("/", "-") if self.env.name == "gym" else self.env.name

    def num_envs(self) -> int:
        """Environments stepped together."""
        return self.n_envs or TRAINABLE[self.agent.name].n_envs


DEFAULT_AGENT = "ppo"  # as conf/train.yaml has it
RESUME_KEYS = ("resume", "steps", "progress", "evaluate", "threads", "keep_checkpoints")


def _store() -> None:
    store = ConfigStore.instance()
    store.store(name="run", node=RunConfig)
    for group, choices in GROUPS.items():
        for name, node in choices.items():
            store.store(group=group, name=name, node=node)


_store()


def compose_run(overrides: Sequence[str]) -> RunConfig:
    """The configuration that a command line asks for.

    Args:
        overrides: ``key=value`` each, in Hydra's grammar; ``env=``, ``agent=`` and ``reward=`` choose from tables.

    Returns:
        A checked configuration.

    Raises:
        UsageError: If a key or a value is not possible; the nearest that is, is named.

    Example:
        >>> config = compose_run(["env=negotiation", "agent=ppo", "agent.gamma=0.9"])
        >>> config.agent.gamma, config.env.id
        (0.9, 'rlkit/Negotiation-v0')
    """
    parsed = parse(overrides)
    choices = {key: value for key, value in parsed.items() if key in GROUPS}
    for group, choice in choices.items():
        if not isinstance(choice, str) or choice not in GROUPS[group]:
            raise UsageError(f"unknown {group} {str(choice)!r}: {nearest(str(choice), GROUPS[group])}")
    with initialize_config_module("rlkit.conf", version_base="1.3"):
        composed = compose("train", [f"{group}={choice}" for group, choice in choices.items()] + _sizes(parsed))
    for key, value in parsed.items():
        if key not in choices:
            _set(composed, key, value)
    config = OmegaConf.to_object(composed)
    assert isinstance(config, RunConfig)
    if (
        isinstance(config.agent, MinibatchConfig) and "agent.batch_size" not in parsed
    ):  # nobody asked for more than there is
        config.agent.batch_size = min(config.agent.batch_size, max(1, config.agent.n_steps * config.num_envs()))
    check(config)
    return config


def _sizes(parsed: Mapping[str, Any]) -> list[str]:
    """With pixels, the sizes that suit pictures come after those that suit the task's own observations."""
    return [f"pixels={parsed.get('agent', DEFAULT_AGENT)}"] if parsed.get("env.pixels") is True else []


def parse(overrides: Sequence[str]) -> dict[str, Any]:
    """Keys and values of ``key=value`` arguments, in Hydra's grammar; short keys are written out.

    Raises:
        UsageError: If one is not of that form.
    """
    for override in overrides:
        if "=" not in override or override.startswith(("-", "+", "~")):
            raise UsageError(f"expected key=value, got {override!r}; --help lists the keys")
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        wrong = next((o for o in overrides if o in str(error)), overrides[0])
        raise UsageError(
            f"cannot read {wrong!r}: quote values with spaces, commas, colons or '=' for the shell and for "
            "Hydra, as in 'env.scenarios=\"my file.txt\"'; lists are [a,b], mappings {a:1,b:2}"
        ) from error
    for part in parsed:
        if part.is_sweep_override():
            raise UsageError(f"one value each, got {part.input_line!r}; lists are [a,b], one run is one command")
    return {SHORT.get(part.key_or_group, part.key_or_group): part.value() for part in parsed}


def keys(config: DictConfig, prefix: str = "") -> Iterator[str]:
    """Every key that can be set, dotted."""
    for key, value in config.items_ex(resolve=False):
        key = str(key)
        if isinstance(value, DictConfig) and key not in _FREE:
            yield from keys(value, f"{prefix}{key}.")
        elif key != "name":
            yield f"{prefix}{key}"


_FREE = ("kwargs", "eval_kwargs")  # their keys are the environment's


def _is_free(config: DictConfig, key: str) -> bool:
    return any(f".{part}." in key for part in _FREE) and key.rsplit(".", 1)[0] in keys(config)


def check_key(config: DictConfig, key: str) -> None:
    """Refuse a key that there is not.

    Raises:
        UsageError: Naming the nearest.
    """
    if key not in keys(config) and not _is_free(config, key):
        everything = list(keys(config))
        group = key.split(".")[0]
        listed = [known for known in everything if known.startswith(f"{group}.") or "." not in known + key]
        raise UsageError(f"unknown key {key!r}: {nearest(key, listed or everything)}")


def _set(config: DictConfig, key: str, value: Any) -> None:
    """Set one key, if it is there and can hold the value."""
    check_key(config, key)
    path, _, name = key.rpartition(".")
    parent = OmegaConf.select(config, path) if path else config
    if isinstance(value, float) and value.is_integer() and isinstance(parent._get_node(name), IntegerNode):
        value = int(value)  # steps=1e6
    try:
        OmegaConf.update(config, key, value, merge=False, force_add=_is_free(config, key))
    except OmegaConfBaseException as error:
        raise UsageError(f"{key}={value!r} is not possible: {str(error).splitlines()[0]}") from error


def changed(config: RunConfig, asked: Mapping[str, Any]) -> RunConfig:
    """A configuration with other top-level values."""
    node = OmegaConf.structured(config)
    for key in asked.keys() - GROUPS.keys():
        _set(node, key, asked[key])
    result = OmegaConf.to_object(node)
    assert isinstance(result, RunConfig)
    check(result)
    return result


def described(overrides: Sequence[str]) -> list[str]:
    """A line for each key of a configuration: ``key=value``."""
    node = OmegaConf.structured(compose_run(overrides))
    lines = []
    for key in keys(node):
        value = OmegaConf.select(node, key)
        plain = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        lines.append(f"{key}={_written(plain)}")
    return lines


def _written(value: Any) -> str:
    """A value as it is written on the command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_written(part)}" for key, part in value.items()) + "}"
    return str(value)


def to_plain(config: RunConfig) -> dict[str, Any]:
    """A configuration as what YAML can hold, with the format's number."""
    return {"format": FORMAT, **asdict(config)}


def from_plain(data: Mapping[str, Any], source: str) -> RunConfig:
    """The configuration that :func:`to_plain` gave.

    Args:
        data: Read from YAML.
        source: Where it was read, for errors.

    Raises:
        UsageError: If it is of a newer format, or not one of ours.
    """
    data = dict(data)
    version = data.pop("format", None)
    if not isinstance(version, int) or version < 1:
        raise UsageError(f"{source} is not the configuration of an rlkit run")
    if version > FORMAT:
        raise UsageError(
            f"{source} has format {version}, this rlkit reads up to {FORMAT}: install the rlkit that wrote it"
        )
    if "${" in str(data):  # what was written has none, and OmegaConf would look up the reader's environment variables
        raise UsageError(f"{source} does not fit this rlkit: ${{...}} is not followed")
    try:
        parts = {group: _filled(choices[data[group]["name"]], data.pop(group)) for group, choices in GROUPS.items()}
        config: RunConfig = _filled(RunConfig, {**data, **parts})
    except (KeyError, TypeError, ValueError, AttributeError, OmegaConfBaseException) as error:
        raise UsageError(f"{source} does not fit this rlkit: {str(error).splitlines()[0]}") from error
    check(config)
    return config


def _filled(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """A dataclass with these values, their types checked."""
    node = OmegaConf.structured(kind)
    for key, value in values.items():
        OmegaConf.update(node, key, value, merge=is_dataclass(OmegaConf.get_type(node, key)))
    return OmegaConf.to_object(node)
