"""The loop of preference learning: act, ask, fit, reward anew; between an agent's iterations.

What the loop decides depends on its seed, the steps that were lived, and the answers; and which answers a fit had is
written to the store before the fit. So a run that was killed lives its last steps again, asks the same questions (they
are known, and have their answers), and comes to the same weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkit.rewards.answers import FITTED
from rlkit.rewards.bulletin import EXPLORING, LEARNING, STOPPED, WAITING, Bulletin
from rlkit.rewards.config import PreferencesConfig
from rlkit.rewards.envs import LearnedRewardEnvs, Step
from rlkit.rewards.fit import fit
from rlkit.rewards.labels import LabelSet
from rlkit.rewards.model import RewardModel
from rlkit.rewards.monitor import Monitor
from rlkit.rewards.novelty import Novelty
from rlkit.rewards.queries import Query, QuerySelector
from rlkit.rewards.recording import record, recording_pool, steps_after_an_end, worth_of_standing_still
from rlkit.rewards.schedule import LabelSchedule
from rlkit.rewards.segments import map_tree, stack
from rlkit.rewards.store import ComparisonStore
from rlkit.rewards.teachers import Score, ScriptedTeacher

POLL_S = 0.5  # while people have not answered the first questions
SHORT_S = 0.75
STARVING = 0.5  # share of the labels due by now that people have given, below which they starve
RECENT = 64  # segments of late whose inputs and rewards set the model's scales


@dataclass
class Round:
    """What came of a round of questions.

    Attributes:
        number: Of the round.
        fitted: Whether the model was fitted.
        first_fit: Whether that was its first time.
        figures: For the logger.
        seconds: That the fit took.
        messages: For people who watch.
    """

    number: int
    fitted: bool = False
    first_fit: bool = False
    figures: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    messages: list[str] = field(default_factory=list)


class PreferenceLoop:
    """See the module; it is the source of the agent's rewards.

    Args:
        config: What, how much and from whom.
        envs: Whose steps are compared.
        store: Keeps what is asked and answered.
        steps: Environment steps of the whole run.
        gamma: The agent's discount.
        seed: Of all that is random here.
        score: Rewards as a scripted teacher sees them; None: the task's.
        device: Of the reward model.

    Attributes:
        model: The reward model.
        pool: Steps of late.
        labels: What the model learns from.
        teacher: A script, or None where people answer.
        score: Rewards as the script sees them; None: the task's.
        monitor: Holds the learned reward against what is known.
        step: Environment steps lived.
    """

    def __init__(
        self,
        config: PreferencesConfig,
        envs: LearnedRewardEnvs,
        store: ComparisonStore,
        *,
        steps: int,
        gamma: float,
        seed: int,
        score: Score | None = None,
        device: str = "cpu",
    ) -> None:
        self.config, self.store, self.steps, self.score = config, store, steps, score
        self._n_envs, self.step = envs.num_envs, 0
        seeds = np.random.SeedSequence([seed, 0x50524546]).generate_state(6, np.uint32).tolist()
        spaces = envs.observation_space, envs.action_space
        rows = min(config.recorded, envs.num_envs)
        after = steps_after_an_end(config, gamma, envs.time_limit)
        self.after, self.first_after = (worth_of_standing_still(gamma, steps) for steps in (after, min(after, 1.0)))
        self.pool = recording_pool(envs, config, rows, config.pool_steps // rows)
        self.model = RewardModel(*spaces, config.model, seed=seeds[0], device=device)
        self.labels = LabelSet(store, self.model, seed=seeds[5])
        self.selector = QuerySelector(config.queries, segment=config.segment, seed=seeds[1])
        self.teacher = None if config.people else ScriptedTeacher(config.teacher, seed=seeds[2], score=score)
        self.novelty = Novelty(spaces[0], config.entropy_neighbours, seeds[3]) if config.entropy else None
        self.monitor = Monitor(config, score, seed=seeds[4])
        self.schedule = LabelSchedule(
            labels=config.labels,
            first=round(config.pretraining_labels * config.labels),
            start=config.explore(steps, envs.num_envs),
            end=int(config.asked_by * steps),
            anneal=config.anneal(steps),
            stairs=config.anneal_stairs,
            rounds=config.rounds,
        )
        self._round, self._asked, self._upto = 0, 0, 0
        self._waiting = self._starving = False
        self._bulletin = Bulletin(store, steps)

    # The agent's rewards

    def begin(self) -> None:
        """The environments were reset."""
        self.pool.begin()

    def reward(self, step: Step) -> NDArray[Any]:
        """What the agent gets for a step: what the model says; before its first fit, for novelty or nothing."""
        self.step += self._n_envs
        record(self.pool, step, self.step)
        if self.model.fits:
            return self.rewards_of(step.observations, step.actions, step.terminated, step.last)
        if self.novelty is not None and self._round == 0:
            return self.novelty(step.observations) * self.config.model.reward_std
        return np.zeros(len(step.rewards))

    def rewards_of(
        self, observations: Any, actions: NDArray[Any], terminated: NDArray[np.bool_], last: Any
    ) -> NDArray[Any]:
        """What the model says of steps, and of what comes after those that terminated the episode, shape ``(n,)``.

        Args:
            observations: Before the steps, arrays of shape ``(n, ...)``.
            actions: As the environment takes them, shape ``(n, ...)``.
            terminated: Whether nothing comes after, shape ``(n,)``.
            last: What was seen after those, arrays of shape ``(n, ...)``.
        """
        rewards = self.model.predict(observations, actions).astype(np.float64)
        rows = np.flatnonzero(terminated)
        if len(rows) and self.after:
            seen, done = map_tree(lambda part: part[rows], last), actions[rows]
            rewards[rows] += self.first_after * self.model.predict(seen, done)
            over = self.model.predict(seen, done, np.ones(len(rows), np.bool_))
            rewards[rows] += (self.after - self.first_after) * over
        return rewards

    # Between iterations

    def advance(self, stopping: Callable[[], bool], say: Callable[[str], None]) -> Iterator[Round]:
        """Do the rounds that are due; yields what came of each.

        Args:
            stopping: Whether the run is asked to stop: waiting for people's first answers ends.
            say: Tells people that the run waits for them.
        """
        before = self._round
        while self.step >= self.schedule.round_step(self._round):
            outcome = self._do_round(stopping, say)
            if outcome is None:
                break
            yield outcome
        if self._round > before or self._bulletin.due:
            self.note(LEARNING if self._round else EXPLORING)

    def _do_round(self, stopping: Callable[[], bool], say: Callable[[str], None]) -> Round | None:
        """Ask, hear, fit; None if the run is to stop before that is done."""
        outcome = Round(self._round)
        if not self.config.labels:
            self._round += 1
            return outcome
        if self.teacher is not None:
            self._ask(outcome)
            self._learn(outcome)
        elif self._round == 0:
            if not self._waiting:
                self._ask(outcome)
                self._waiting = True
            if not self._wait(stopping, say):
                return None
            self._waiting = False
            self._learn(outcome)
        else:
            self._learn(outcome)
            self._ask(outcome)
        self.monitor.look(self, outcome)
        self._round += 1
        return outcome

    def _ask(self, outcome: Round) -> None:
        """Propose what is due; a scripted teacher answers at once."""
        count = self._due()
        if count <= 0:
            return
        queries = self.selector.select(count, self.pool, self.model if self.model.fits else None, self.labels)
        answers = None
        if self.teacher is not None:
            first, second = (stack([getattr(query, side) for query in queries]) for side in ("first", "second"))
            answers = self.teacher.answer(first, second, np.array([query.swapped for query in queries]))
        with self.store.transaction():
            for number, query in enumerate(queries):
                pair = self._propose(number, query)
                if answers is not None and self.teacher is not None:
                    label = self.store.record(f"{self.teacher.name}-{pair}", pair, answers[number], self.teacher.name)
                    self._upto = max(self._upto, label)
        self._asked += len(queries)
        outcome.figures["labels_asked"] = float(self._asked)

    def _propose(self, number: int, query: Query) -> int:
        first, second = (self.store.add_segment(segment) for segment in (query.first, query.second))
        return self.store.add_pair(
            f"{self._round}-{number}-{first}-{second}",
            first,
            second,
            swapped=query.swapped,
            uniform=query.uniform,
            round=self._round,
            step=self.step,
            score=query.score,
        )

    def _due(self) -> int:
        """Questions to ask now.

        People may be behind: what they have not answered is asked anew of the present policy, as far as it is due by
        now, but so many open questions as a round has are enough.
        """
        due = self._called_for()
        if self.teacher is not None:
            return due - self._asked
        progress = self.store.progress()
        missing = due - progress.answered
        usual = max(1, -(-self.config.labels // self.config.rounds))
        count = missing if self._round == 0 else min(missing, usual)
        return int(self.store.once(f"ask-{self._round}", max(0, count)))

    def _called_for(self) -> int:
        """Labels that should have been asked by the present round."""
        return self.schedule.due(self.schedule.round_step(self._round))

    def _wait(self, stopping: Callable[[], bool], say: Callable[[str], None]) -> bool:
        """Wait until people have answered the first questions; whether they have.

        Nobody may be there to answer what one has skipped: it is not waited for, but asked anew in later rounds.
        """
        wanted = self._called_for()
        if (missing := self._missing(wanted)) > 0:
            say(
                f"Waiting for the first {wanted} answers, {wanted - missing} are given: "
                "scripts/label.py run=<this run folder> asks people. Later on nothing waits for them."
                + self._told_of_length()
            )
        while (missing := self._missing(wanted)) > 0:
            if stopping():
                return False
            self.note(WAITING, missing=missing)
            time.sleep(POLL_S)
        return True

    def _told_of_length(self) -> str:
        """A warning that clips are too short to be seen; empty where they are not."""
        fps = self.store.header.fps
        if fps is None or self.config.segment / fps >= SHORT_S:
            return ""
        return (
            f" Clips of reward.segment={self.config.segment} last {self.config.segment / fps:.1f} s, which is hard to "
            f"judge: {round(1.5 * fps)} steps are the 1.5 s of Christiano et al. (2017)."
        )

    def _missing(self, wanted: int) -> int:
        progress = self.store.progress()
        return wanted - progress.answered - progress.skipped

    def _learn(self, outcome: Round) -> None:
        """Fit the answers so far, if there are new ones."""
        if self.teacher is None:
            self._upto = int(self.store.once(f"fit-{self._round}", self.store.newest()))
            self._judge_supply(outcome)
        if self._upto <= self.labels.upto:
            return
        self.monitor.hear(
            self, [row for row in self.store.labels(self.labels.upto, self._upto) if row.answer in FITTED]
        )
        usable = self.labels.update(self._upto)
        outcome.figures["labels_left"] = float(max(0, self.config.labels - len(self.store.labels(0, self._upto))))
        if not usable:
            return
        rng = np.random.default_rng([self._round, self.step])
        spans = self.pool.draw(RECENT, self.config.segment, rng, newest=self.config.queries.newest)
        outcome.first_fit = not self.model.fits
        report = fit(self.model, self.labels, self.pool.batch(spans))
        outcome.fitted, outcome.seconds = True, report.seconds
        outcome.figures |= {name: value for name, value in report.figures().items() if name != "seconds"}

    def _judge_supply(self, outcome: Round) -> None:
        """Say when labels begin to starve, and when they no longer do."""
        due, given = self._called_for(), len(self.store.labels(0, self._upto))
        starving = given < STARVING * due
        if starving and not self._starving:
            outcome.messages.append(
                f"Labels starve: {given} of the {due} that were due are answered. Training goes on with these; "
                "scripts/label.py run=<this run folder> asks for more."
            )
        elif self._starving and not starving:
            outcome.messages.append(f"Labels no longer starve: {given} of {due} are answered.")
        self._starving = starving

    def note(self, state: str = STOPPED, **more: Any) -> None:
        """Tell people who answer how the run goes; see :class:`Bulletin`."""
        about = {"fits": self.model.fits, "labels_used": len(self.labels), "starving": self._starving}
        self._bulletin.note(state, self.step, self.schedule.round_step(self._round), **about, **more)

    # Saving

    def get_state(self) -> dict[str, Any]:
        """All that decides how the loop goes on, beside the store: a tree for ``training.checkpoint``."""
        return {
            "step": self.step,
            "round": self._round,
            "asked": self._asked,
            "upto": self._upto,
            "waiting": self._waiting,
            "starving": self._starving,
            "labels": self.labels.upto,
            "pool": self.pool.get_state(),
            "model": self.model.get_state(),
            "selector": self.selector.get_state(),
            "teacher": None if self.teacher is None else self.teacher.get_state(),
            "novelty": None if self.novelty is None else self.novelty.get_state(),
            "monitor": self.monitor.get_state(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what :meth:`get_state` gave."""
        self.step, self._round, self._asked = state["step"], state["round"], state["asked"]
        self._upto, self._waiting, self._starving = state["upto"], state["waiting"], state["starving"]
        self.pool.set_state(state["pool"])
        self.model.set_state(state["model"])
        self.labels.update(state["labels"])
        self.selector.set_state(state["selector"])
        if self.teacher is not None:
            self.teacher.set_state(state["teacher"])
        if self.novelty is not None:
            self.novelty.set_state(state["novelty"])
        self.monitor.set_state(state["monitor"])
