"""Where the reward comes from: a dataclass each, and the table of them. Importing this does not load PyTorch."""

from __future__ import annotations

from dataclasses import dataclass, field

from rlkit.errors import UsageError, nearest
from rlkit.rewards.settings import (
    PEOPLE,
    ModelConfig,
    QueryConfig,
    TeacherConfig,
    check_range,
    paper_model,
    paper_queries,
)

ENDS = ("absorbing", "shown")
TRUTHS = ("task", "score", "none")
LEAST = {"labels": 0, "segment": 1, "entropy_neighbours": 1, "rounds": 1, "anneal_stairs": 0, "recorded": 1}


@dataclass(kw_only=True)
class RewardConfig:
    """Where the reward comes from: the environment.

    Attributes:
        name: In the table of rewards.
        scale: What the agent's reward is multiplied by; reported returns are not.
    """

    name: str = "env"
    scale: float = 1.0

    def check(self, steps: int, n_envs: int) -> None:
        """Refuse what is not possible in a run of so many steps, in so many environments.

        Raises:
            UsageError: Naming the key.
        """


@dataclass(kw_only=True)
class ScoreConfig(RewardConfig):
    """What a score says, without a teacher or a model: what a taste comes to where it is told in full.

    Attributes:
        score: ``module:function``, as ``reward=preferences`` has it; it sees each step with the one before it.
    """

    name: str = "score"
    score: str = ""

    def check(self, steps: int, n_envs: int) -> None:
        """Refuse to do without a score.

        Raises:
            UsageError: If there is none.
        """
        if not self.score:
            raise UsageError("reward=score needs reward.score=module:function")


@dataclass(kw_only=True)
class PreferencesConfig(RewardConfig):
    """A reward learned from comparisons of segments, by Christiano et al. (2017) and what has been found since.

    The task's own reward goes to synthetic teachers, the audit and reported returns; the agent never sees it.

    Attributes:
        labels: Comparisons asked in all; 0: none, and the agent's reward stays 0, as a control.
        segment: Steps of a segment. For people 1 to 2 seconds of the environment's time.
        pretraining_labels: Share of the labels asked before the agent has any learned reward.
        explore_steps: Steps before the first question; null: a twentieth of the run, 10,000 at most, but as many as two
            segments of each environment have.
        entropy: Until then the agent is rewarded for what is unlike all it has seen (PEBBLE; Lee et al. 2021); false:
            it has no reward and learns nothing, on-policy agents act as they did at the beginning, others at random.
        entropy_neighbours: An observation is as novel as it is far from the so many-th nearest of those seen.
        rounds: Of questions, each followed by a fit, spread evenly from the first to ``asked_by``.
        asked_by: Share of the run by which all labels are asked.
        anneal_steps: T steps into the run, questions are asked at a rate that goes with 1 / (T + anneal_steps); null: a
            fifth of the run; 0: at one rate.
        anneal_stairs: Steps for which that rate stays the same; 0: it falls all the time.
        ends: What comes after an episode that terminates. ``absorbing``: a step that shows where; then all stands
            still, and each step is worth what the learned reward says of standing still, whatever was seen last, so
            that an end as such tells nothing. ``shown``: nothing, which may give away what is wanted.
        relabel: After each fit all rewards in the replay are replaced.
        reset_critic: After the first fit critics that learned from novelty begin anew (agents with a critic apart).
        pool_steps: Newest steps of the run that segments are cut from.
        recorded: Environments, the first ones, that segments come from.
        score: ``module:function``, which tells what a scripted teacher sees: of a `SegmentBatch` an array
            ``(n, length)`` of rewards. null: it sees the task's reward.
        truth: What the audit holds the learned reward against: ``task``, ``score``, or ``none``; null: what the
            teacher sees, and ``none`` with people.
        teacher: Who answers.
        queries: Which pairs are asked.
        model: The reward model and its fit.
    """

    name: str = "preferences"
    labels: int = 700
    segment: int = 50
    pretraining_labels: float = 0.25
    explore_steps: int | None = None
    entropy: bool = True
    entropy_neighbours: int = 5
    rounds: int = 40
    asked_by: float = 0.9
    anneal_steps: int | None = None
    anneal_stairs: int = 0
    ends: str = "absorbing"
    relabel: bool = True
    reset_critic: bool = True
    pool_steps: int = 100_000
    recorded: int = 8
    score: str | None = None
    truth: str | None = None
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    queries: QueryConfig = field(default_factory=QueryConfig)
    model: ModelConfig = field(default_factory=ModelConfig)

    @property
    def people(self) -> bool:
        """Whether people answer."""
        return self.teacher.name == PEOPLE

    def explore(self, steps: int, n_envs: int) -> int:
        """Steps before the first question, of a run of ``steps`` in so many environments."""
        if self.explore_steps is not None:
            return self.explore_steps
        return max(min(10_000, steps // 20), 2 * self.segment * n_envs)

    def anneal(self, steps: int) -> int:
        """``anneal_steps`` of a run of ``steps``."""
        return steps // 5 if self.anneal_steps is None else self.anneal_steps

    @property
    def held_against(self) -> str:
        """What the audit takes for the truth."""
        if self.truth is not None:
            return self.truth
        return "none" if self.people else "task" if self.score is None else "score"

    def check(self, steps: int, n_envs: int) -> None:
        """Refuse what is not possible in a run of so many steps, in so many environments.

        Raises:
            UsageError: Naming the key.
        """
        for key, least in LEAST.items():
            check_range(key, getattr(self, key), least, None)
        for key in ("pretraining_labels", "asked_by"):
            check_range(key, getattr(self, key), 0.0, 1.0)
        for key in ("explore_steps", "anneal_steps"):
            if getattr(self, key) is not None:
                check_range(key, getattr(self, key), 0, None)
        for key, allowed in (("ends", ENDS), ("truth", (*TRUTHS, None))):
            if (value := getattr(self, key)) not in allowed:
                raise UsageError(f"unknown reward.{key} {value!r}: {nearest(str(value), filter(None, allowed))}")
        self._check_together(steps, n_envs)

    def _check_together(self, steps: int, n_envs: int) -> None:
        if self.people:
            if self.score is not None:
                raise UsageError(f"reward.score={self.score} is for scripted teachers: people see clips; leave it out")
        else:
            self.teacher.filled()
        if self.truth == "score" and self.score is None:
            raise UsageError("reward.truth=score needs reward.score=module:function")
        rows = min(self.recorded, n_envs)
        if self.pool_steps < 4 * self.segment * rows:
            raise UsageError(
                f"reward.pool_steps must hold 4 segments of reward.segment={self.segment} steps of each of {rows} "
                f"environments, {4 * self.segment * rows}, got {self.pool_steps}"
            )
        explored, asked = self.explore(steps, n_envs), self.asked_by * steps
        if self.labels and explored < 2 * self.segment * n_envs:
            raise UsageError(
                f"reward.explore_steps={explored} is too little to cut pairs of reward.segment={self.segment} steps "
                f"from: with n_envs={n_envs} it must be at least {2 * self.segment * n_envs}"
            )
        if self.labels and not explored < asked:
            raise UsageError(
                f"reward.explore_steps={explored} leaves no time to ask in: labels are to be asked by step {asked:.0f} "
                "(reward.asked_by x steps); lower the one or raise the other"
            )


@dataclass(kw_only=True)
class PaperPreferencesConfig(PreferencesConfig):
    """As Christiano et al. (2017, arXiv:1706.03741) had it for MuJoCo; everything can be set as in ``preferences``."""

    name: str = "preferences_paper"
    segment: int = 25
    entropy: bool = False
    asked_by: float = 1.0
    anneal_steps: int | None = 2_000_000
    relabel: bool = False
    reset_critic: bool = False
    queries: QueryConfig = field(default_factory=paper_queries)
    model: ModelConfig = field(default_factory=paper_model)


REWARDS: dict[str, type[RewardConfig]] = {
    "env": RewardConfig,
    "score": ScoreConfig,
    "preferences": PreferencesConfig,
    "preferences_paper": PaperPreferencesConfig,
}
