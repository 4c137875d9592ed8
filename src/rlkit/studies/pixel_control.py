"""Whether pixel control helps a DQN: arms, stages, budgets, and the page with what came of it.

Each arm has the same environment steps; a column holds them against each other at equal CPU time as well. The arm
`more_updates` is the DQN with as much further computation as pixel control takes (Kielak 2020, arXiv:2003.10181: much
of what is called data efficiency goes when the baseline may learn more often), `shuffled` is a placebo.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rlkit.studies.page import Layout, write_page
from rlkit.studies.rivalry import LEGEND, RivalStage, body, panels
from rlkit.studies.stages import settings_of, trials_of
from rlkit.studies.trials import Trial

TASKS = "agent.auxiliary.tasks="
SWITCHES = {  # a name: all off, then Stable-Baselines3's DQN with one of them, then several
    "sb3": ("agent.replay=standard",),
    "double": ("agent.double=true",),
    "dueling": ("agent.dueling=true",),
    "three_steps": ("agent.n_steps=3",),
    "prioritized": ("agent.prioritized=true",),
    "noisy": ("agent.noisy=true",),
    "per_env_epsilon": ("agent.per_env_epsilon=true",),
    "soft_target": ("agent.tau=0.005", "agent.target_update_interval=1"),
    "tuned": ("agent.double=true", "agent.dueling=true", "agent.n_steps=3", "agent.per_env_epsilon=true"),
    "all": (
        "agent.double=true",
        "agent.dueling=true",
        "agent.n_steps=3",
        "agent.per_env_epsilon=true",
        "agent.prioritized=true",
        "agent.noisy=true",
    ),
}
ALL_OFF = ("agent.double=false", "agent.dueling=false", "agent.n_steps=1", "agent.per_env_epsilon=false")
ARMS = {  # of the stages of pixel control; more_updates is each stage's own
    "dqn": (),
    "more_updates": (),
    "pixel_control": (f"{TASKS}[pixel_control]",),
    "shuffled": (f"{TASKS}[pixel_control]", "agent.auxiliary.shuffled=true"),
    "reward_prediction": (f"{TASKS}[reward_prediction]",),
    "both": (f"{TASKS}[pixel_control,reward_prediction]",),
}
MATCHED = "more_updates"
CHECKPOINT_EVERY = 5  # evaluations: a checkpoint has the replay, which is large
LEARNING_STARTS = 1_000


def _arms(*names: str, train_freq: int, gradient_steps: int) -> dict[str, tuple[str, ...]]:
    """Arms of a stage where pixel control takes ``gradient_steps / train_freq`` times the computation of an update."""
    more = (f"agent.train_freq={train_freq}", f"agent.gradient_steps={gradient_steps}")
    return {name: more if name == MATCHED else ARMS[name] for name in names}


# What pixel control costs on each network: `python scripts/benchmark.py dqn`, and docs/dqn.md for Doom's pictures.
STAGES: dict[str, RivalStage] = {
    "sprite": RivalStage(
        title="The diagnostic: a sprite among decoys, a rare reward",
        settings=("env=sprite", "eval_episodes=64"),
        arms=_arms(*ARMS, train_freq=3, gradient_steps=5),
        steps=30_000,
        eval_every=1_500,
        seeds=5,
        rival=MATCHED,
    ),
    "doom_basic": RivalStage(
        title="Doom Basic",
        settings=("env=doom", "env.scenario=Basic", "eval_episodes=16"),
        arms=_arms("dqn", MATCHED, "pixel_control", train_freq=5, gradient_steps=7),
        steps=40_000,
        eval_every=4_000,
        seeds=5,
        rival=MATCHED,
        solved=80.0,
    ),
    "minatar": RivalStage(
        title="MinAtar Breakout",
        settings=("env=minatar", "env.game=breakout", "agent.auxiliary.pixel_cell=1", "eval_episodes=16"),
        arms=_arms("dqn", MATCHED, "pixel_control", train_freq=3, gradient_steps=5),
        steps=200_000,
        eval_every=10_000,
        seeds=5,
        rival=MATCHED,
    ),
    "doom_health": RivalStage(
        title="Doom HealthGathering",
        settings=("env=doom", "env.scenario=HealthGathering", "eval_episodes=16"),
        arms=_arms("dqn", MATCHED, "pixel_control", train_freq=5, gradient_steps=7),
        steps=100_000,
        eval_every=10_000,
        seeds=3,
        rival=MATCHED,
    ),
    "switches": RivalStage(
        title="The switches, on MinAtar Breakout",
        settings=("env=minatar", "env.game=breakout", "eval_episodes=16", *ALL_OFF),
        arms=SWITCHES,
        steps=100_000,
        eval_every=10_000,
        seeds=5,
        rival="sb3",
    ),
}
PREFACE = """\
# Does pixel control help a DQN?

Made by `python scripts/study.py pixel_control`, which goes on where it was stopped and can be started once for each
core. Arms have the same environment steps. `more_updates`: the DQN with as many more updates as pixel control costs.
`shuffled`: pixel control whose pseudo-rewards are dealt out anew among a batch's steps, a placebo. `reward_prediction`
and `both` are costlier still, which the columns of CPU time show. All else is the stage's tuned settings
(`rlkit/conf/tuned/`). HealthGathering's pictures have the player's health as a bar. In the last table, `sb3` is
Stable-Baselines3's DQN, each of the next is that with one switch on, `tuned` is what the other stages have, and `all`
is everything but the soft target.
"""
LAYOUT = Layout(preface=f"{PREFACE}\n{LEGEND}", body=body, panels=panels)


def trials(stages: Sequence[str], arms: Sequence[str] | None, seeds: int | None, steps: int | None) -> list[Trial]:
    """The study's trials, first seeds first, so that what is there is balanced.

    Args:
        stages: Names in :data:`STAGES`.
        arms: Of these, and no others; None: all.
        seeds: At most so many; None: as many as each stage has.
        steps: Of each run, in place of the stage's; evaluations come as often in proportion.

    Raises:
        UsageError: If there is no such stage or arm.
    """
    return trials_of(STAGES, stages, arms, seeds, lambda stage, own: _settings(stage, own, steps))


def _settings(stage: RivalStage, own: tuple[str, ...], steps: int | None) -> tuple[str, ...]:
    """The command line of an arm."""
    lengths = stage.lengths(steps)
    more = {
        "checkpoint_every": CHECKPOINT_EVERY * lengths["eval_every"],
        "agent.learning_starts": min(LEARNING_STARTS, lengths["steps"] // 4),
    }
    return ("agent=dqn", *stage.settings, *own, *settings_of(lengths | more))


def gather(found: Sequence[Trial], study: Path, output: Path) -> str:
    """Write the page of the trials that are done.

    Args:
        found: The study's trials.
        study: The study's folder.
        output: The page; pictures and the outcomes are put beside it.

    Returns:
        The page.
    """
    return write_page(LAYOUT, STAGES, found, study, output)
