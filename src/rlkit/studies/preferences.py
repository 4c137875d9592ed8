"""How far comparisons carry: returns by their number, by who answers, and what each part of the modern mode does.

Every arm of a stage has the same agent and the same environment steps, and nothing but the reward differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rlkit.agents.chance import RandomActions
from rlkit.rewards.teachers import load_score
from rlkit.studies.outcomes import Outcome, Outcomes
from rlkit.studies.page import Layout, write_page
from rlkit.studies.shares import (
    MODERN,
    ORACLE,
    RATES,
    TRUE,
    LearnedStage,
    Scale,
    body,
    labels_arm,
    panels,
    peer_arm,
    scale_of,
    teacher_arm,
)
from rlkit.studies.stages import Settings, settings_of, trials_of
from rlkit.studies.trials import Trial
from rlkit.training.config import compose_run
from rlkit.training.evaluation import SEED_OFFSET, evaluation_envs, play_episodes
from rlkit.training.scoring import score_policy

LABELS, FEW_LABELS = (0, 50, 100, 350, 700, 1400), (100, 700)
PEERS = frozenset(peer_arm(labels) for labels in LABELS if labels)
SHUFFLED = "shuffled"
SCORE = "score"  # what teachers see, as the agent's reward
CHANCE = "random"  # not an arm: what random actions get, measured once for each stage
CHANCE_EPISODES = 64
TEACHERS = (ORACLE, "stochastic", "myopic", "skip", "equal")
CHECKPOINTS = 3  # of a run
LEARN = ("reward=preferences", "reward.rounds=15", "reward.model.epochs=20")
TRUSTING = (*LEARN, "reward.model.members=3")  # where no answer is wrong: the paper's, for half of the time

SAC = ("agent=sac", "n_envs=4", "agent.learning_rate=1e-3", "agent.gradient_steps=2")
SMALL_SAC = (*SAC, "agent.net_arch=[64,64]", "agent.gamma=0.95", "agent.learning_starts=500")
PENDULUM = ("env=gym", "env.id=Pendulum-v1", *SMALL_SAC, "eval_episodes=16")
REACHER = ("env=gym", "env.id=Reacher-v5", "env.kwargs={reward_control_weight:0}", *SMALL_SAC, "eval_episodes=32")
WALKER = (
    "env=locomotion",
    "env.body=walker",
    "env.terrain=flat",
    "env.threads=1",
    "agent=ppo",
    "agent.towers=false",  # there is nothing ahead to see
    "agent.net_arch=[64,64]",
    "eval_episodes=64",
)
RUNNER = (*SAC, "agent.net_arch=[128,128]", "agent.learning_starts=2000", "eval_episodes=8")
HOPPER = ("env=gym", "env.id=Hopper-v5", "env.kwargs={terminate_when_unhealthy:false,ctrl_cost_weight:0}", *RUNNER)
CHEETAH = ("env=gym", "env.id=HalfCheetah-v5", "env.kwargs={ctrl_cost_weight:0}", *RUNNER)
BARGAINER = ("env=negotiation", "threads=1")
OPERATOR = ("env=cooling", "env.observe_commands=true", "threads=1")
FAIRNESS, CALM = "rlkit.scores.fairness:fair_deals", "rlkit.scores.calm:"
SWITCHES: dict[str, Settings] = {
    MODERN: (),
    "7_members": ("reward.model.members=7",),
    "no_relabel": ("reward.relabel=false",),
    "no_novelty": ("reward.entropy=false",),
    "no_critic_reset": ("reward.reset_critic=false",),
    "adaptive_l2": ("reward.model.adapt_l2=true", "reward.model.l2=1e-5"),
    "no_crops": ("reward.model.crop=1",),
    "no_recent_pool": ("reward.queries.newest=0",),
    "no_diversity": ("reward.queries.diverse=false",),
    "uniform_queries": ("reward.queries.method=uniform",),
    "no_smoothing": ("reward.model.smoothing=0",),
    "no_filter": ("reward.model.filter=false",),
}


def _by_labels(
    counts: Sequence[int], *learned: str, shuffled: bool = True, peer: bool = True, scale: float = 1.0
) -> dict[str, Settings]:
    """Arms by number of labels, the peer's, the control whose teacher tosses a coin, and the true reward, scaled."""
    own = (*TRUSTING, *learned)
    arms = {labels_arm(labels): (*own, f"reward.labels={labels}") for labels in counts}
    if peer:
        arms |= {peer_arm(labels): arms[labels_arm(labels)] for labels in counts if labels}
    if shuffled:
        arms[SHUFFLED] = (*own, "reward.labels=700", "reward.teacher.mistake=0.5")
    return {**arms, TRUE: () if scale == 1.0 else (f"reward.scale={scale:g}",)}


def _by_teacher(*learned: str) -> dict[str, Settings]:
    """Arms by teacher, share of answers that are turned round, and whether the noise filter is on."""
    return {
        teacher_arm(teacher, rate, filtered): (
            *LEARN,
            "reward.model.members=7",
            *learned,
            f"reward.teacher.name={teacher}",
            f"reward.teacher.mistake={rate}",
            f"reward.model.filter={str(filtered).lower()}",
        )
        for teacher in TEACHERS
        for rate in RATES
        for filtered in (True, False)
    }


def _by_switch(*learned: str) -> dict[str, Settings]:
    """Arms with one part of the modern mode switched off, and the paper's."""
    arms = {arm: (*TRUSTING, *learned, *own) for arm, own in SWITCHES.items()}
    return {**arms, "paper": ("reward=preferences_paper", *TRUSTING[1:], *learned)}


def _by_taste(score: str, counts: Sequence[int], *learned: str) -> dict[str, Settings]:
    """Arms by number of comparisons by a score that is not the task's, the score itself, and the task's own reward."""
    told = f"reward.score={score}"
    arms = {labels_arm(labels): (*TRUSTING, *learned, told, f"reward.labels={labels}") for labels in counts}
    return {**arms, SCORE: ("reward=score", told), TRUE: ()}


STAGES: dict[str, LearnedStage] = {
    "pendulum": LearnedStage(
        title="Pendulum-v1",
        settings=PENDULUM,
        arms=_by_labels(LABELS, "reward.segment=25", scale=0.25),
        steps=12_000,
        eval_every=1_000,
        seeds=5,
        kind="labels",
        reference=("pendulum", TRUE),
        peers=PEERS,
    ),
    "reacher": LearnedStage(
        title="Reacher-v5",
        settings=REACHER,
        arms=_by_labels(LABELS, "reward.segment=25", scale=10.0),
        steps=24_000,
        eval_every=1_000,
        seeds=5,
        kind="labels",
        reference=("reacher", TRUE),
        peers=PEERS,
    ),
    "walker": LearnedStage(
        title="A walker on flat ground (ours)",
        settings=WALKER,
        arms=_by_labels(LABELS, "reward.segment=25", "reward.ends=shown", peer=False),
        steps=500_000,
        eval_every=25_000,
        seeds=5,
        kind="labels",
        reference=("walker", TRUE),
    ),
    "hopper": LearnedStage(
        title="Hopper-v5",
        settings=HOPPER,
        arms=_by_labels(FEW_LABELS, shuffled=False),
        steps=100_000,
        eval_every=5_000,
        seeds=3,
        kind="labels",
        reference=("hopper", TRUE),
        peers=PEERS,
    ),
    "halfcheetah": LearnedStage(
        title="HalfCheetah-v5",
        settings=CHEETAH,
        arms=_by_labels(FEW_LABELS, shuffled=False),
        steps=100_000,
        eval_every=5_000,
        seeds=3,
        kind="labels",
        reference=("halfcheetah", TRUE),
        peers=PEERS,
    ),
    "teachers": LearnedStage(
        title="Who answers: teachers and their errors, on Pendulum-v1 with 350 labels",
        settings=PENDULUM,
        arms=_by_teacher("reward.segment=25", "reward.labels=350"),
        steps=10_000,
        eval_every=1_000,
        seeds=3,
        kind="teachers",
        reference=("teachers", teacher_arm(ORACLE, 0.0, True)),
    ),
    "switches": LearnedStage(
        title="What each part does: Reacher-v5 with 100 labels",
        settings=REACHER,
        arms=_by_switch("reward.segment=25", "reward.labels=100"),
        steps=24_000,
        eval_every=1_000,
        seeds=5,
        kind="switches",
        reference=("reacher", TRUE),
    ),
    "fairness": LearnedStage(
        title="A bargainer taught fairness from comparisons of deals",
        settings=BARGAINER,
        arms=_by_taste(FAIRNESS, (500, 1500), "reward.segment=12", "reward.model.crop=1"),
        steps=500_000,
        eval_every=100_000,
        seeds=5,
        scores=(FAIRNESS,),
        kind="taste",
        reference=("fairness", TRUE),
    ),
    "calm": LearnedStage(
        title="A cooling policy taught an operator's taste: fewer moves of set points",
        settings=OPERATOR,
        arms=_by_taste(f"{CALM}calm", (700,)),
        steps=4_000_000,
        eval_every=400_000,
        seeds=5,
        scores=(f"{CALM}calm", f"{CALM}moves"),
        kind="taste",
        reference=("calm", TRUE),
    ),
}
PREFACE = f"""\
# How far comparisons carry

Made by `python scripts/study.py preferences`, which goes on where it was stopped and can be started once for each core.
Arms of a stage have the same agent and the same environment steps, those before the first question included; scripted
teachers answer, and the agent never sees the task's reward. Reward models have 3 members, as the paper's, in
the table of teachers 7; the default is 5. `{labels_arm(700)}` has 700 comparisons in all,
`{labels_arm(0)}` none and no reward at all, `{SHUFFLED}` 700 whose answers are a coin's toss, `{TRUE}` the task's own,
times 0.25 on Pendulum and times 10 on Reacher: about as large as learned rewards are.
Torque penalties are off in Gymnasium's tasks of MuJoCo, for all arms. Hopper's episodes go on after a fall, so that
their end tells nothing; the walker's do end (`reward.ends=shown`), and what that alone tells is in `{SHUFFLED}`.
`{peer_arm(700)}` is `imitation` 1.0.1 with as many comparisons by the oracle and as many environment steps, the same
SAC, rewards of the whole replay computed anew, and the reward model and epochs of its own example: a network of 2 x 32.

*Return*: mean of the evaluations in the last quarter of the run, interquartile mean over seeds, 95 % bootstrap interval
in brackets. *Share*: 0 is what random actions get ({CHANCE_EPISODES} episodes, measured here), 1 the interquartile mean
of the reference: the true reward's runs, or among teachers those of the oracle without errors. *Rank correlation*: of
learned and true returns of segments, the trained policy's and random actions' together, from each run's audit. *CPU
min*: of learning, evaluations apart. In the table of switches, `{MODERN}` is `reward=preferences`, `paper` is
`reward=preferences_paper`, and each of the others is `{MODERN}` with one part off (or changed: `adaptive_l2`,
`7_members`). Two tables are of tastes that no task pays: there teachers see a score (`rlkit.scores`) and not the task's
reward, and policies are judged by it too; the tables say what an episode of theirs is worth. `{SCORE}` has the score as
the agent's reward (`reward=score`).
"""


def trials(stages: Sequence[str], arms: Sequence[str] | None, seeds: int | None, steps: int | None) -> list[Trial]:
    """The study's trials; arguments, order and errors as :func:`rlkit.studies.stages.trials_of` has them.

    Args:
        stages: Names in :data:`STAGES`.
        arms: Of these, and no others; None: all.
        seeds: At most so many; None: as many as each stage has.
        steps: Of each run, in place of the stage's; evaluations come as often in proportion.
    """
    return trials_of(STAGES, stages, arms, seeds, lambda stage, own: _settings(stage, own, steps))


def _settings(stage: LearnedStage, own: Settings, steps: int | None) -> Settings:
    """The command line of an arm."""
    lengths = stage.lengths(steps)
    lengths["checkpoint_every"] = max(1, lengths["steps"] // CHECKPOINTS)
    return (*stage.settings, *own, *settings_of(lengths))


def gather(found: Sequence[Trial], study: Path, output: Path) -> str:
    """Write the page of the trials that are done.

    Args:
        found: The study's trials.
        study: The study's folder.
        output: The page; pictures and the outcomes are put beside it.

    Returns:
        The page.
    """
    scales = _scales(found, Outcomes(study, output))
    layout = Layout(preface=PREFACE, body=partial(body, scales), panels=partial(panels, scales))
    return write_page(layout, STAGES, found, study, output)


def _scales(found: Sequence[Trial], outcomes: Outcomes) -> dict[str, Scale]:
    """Of each stage whose reference is there."""
    done = outcomes.read(found)
    scales = {}
    for name, stage in STAGES.items():
        reference = [run for trial, run in done.items() if (trial.stage, trial.arm) == stage.reference]
        of_stage = [trial for trial in done if trial.stage == name]
        if reference and of_stage:
            scales[name] = scale_of(_chance(of_stage[0], stage, outcomes), reference)
    return scales


def _chance(trial: Trial, stage: LearnedStage, outcomes: Outcomes) -> Outcome:
    """What random actions come to, measured if it was not yet."""
    by_chance = replace(trial, arm=CHANCE, seed=0, settings=stage.settings, peer=False)
    kept: Mapping[Trial, Outcome] = outcomes.kept([by_chance])
    if by_chance in kept:
        return kept[by_chance]
    config = compose_run(stage.settings)
    envs = evaluation_envs(config.env, CHANCE_EPISODES)
    policy = RandomActions(envs.action_space, SEED_OFFSET)
    episodes = play_episodes(policy, envs, CHANCE_EPISODES, SEED_OFFSET)
    envs.close()
    scores = {path: score_policy(policy, config, load_score(path), CHANCE_EPISODES)["mean"] for path in stage.scores}
    outcomes.write({by_chance: Outcome.untrained(float(episodes.returns.mean()), scores)})
    return outcomes.kept([by_chance])[by_chance]
