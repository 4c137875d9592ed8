"""The configuration of a run: dataclasses, filled by Hydra from `rlkit.conf` and the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
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
from rlkit.rewards.config import REWARDS
from rlkit.training.limits import check
from rlkit.training.tasks import ENVS

FORMAT = 1
SHORT = {"pixels": "env.pixels"}  # keys that can be written without their group

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
        composed = compose("train", [f"{group}={choice}" for group, choice in choices.items()] + _variants(parsed))
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


def _variants(parsed: Mapping[str, Any]) -> list[str]:
    """What suits a body comes after what suits the task; with pixels, sizes that suit pictures come last."""
    agent = parsed.get("agent", DEFAULT_AGENT)
    found = [f"pixels={agent}"] if parsed.get("env.pixels") is True else []
    body = parsed.get("env.body")
    return [*found, f"bodies={body}-{agent}"] if isinstance(body, str) and body.isidentifier() else found


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
        if isinstance(value, DictConfig) and is_dataclass(OmegaConf.get_type(value)):  # a mapping is a value
            yield from keys(value, f"{prefix}{key}.")
        elif key != "name" or prefix.count(".") > 1:  # the name of a row of a table is chosen with the row
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
