"""What can be played, and with what arguments: the configuration of each environment."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any


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
    observe_commands: bool = False
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
    falls: Any = None
    servo: Any = None
    conditions: Any = None
    course: Any = None
    threads: int | None = None


@dataclass(kw_only=True)
class SpriteConfig(EnvConfig):
    """A tiny task of pixels; :class:`rlkit.envs.sprite.env.SpriteEnv` explains the arguments."""

    name: str = "sprite"
    id: str = "rlkit/Sprite-v0"
    fields: int = 10
    distractors: int = 1
    decoys: int = 15
    frame_stack: int = 2
    max_steps: int = 40


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
    health_bar: bool = True


@dataclass(kw_only=True)
class GymConfig(EnvConfig):
    """Any environment that is registered with Gymnasium (``module:Name-v0`` imports the module first).

    Attributes:
        kwargs: Its arguments.
    """

    name: str = "gym"
    id: str = "CartPole-v1"
    kwargs: dict[str, Any] = field(default_factory=dict)


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
