"""What a run has beside its agent when the reward is learned from preferences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from rlkit.rewards.config import PreferencesConfig
from rlkit.rewards.envs import LearnedRewardEnvs
from rlkit.rewards.header import Header
from rlkit.rewards.loop import PreferenceLoop, Round
from rlkit.rewards.model import save_reward
from rlkit.rewards.relabel import relabel, reset_critic
from rlkit.rewards.store import STORE, ComparisonStore
from rlkit.rewards.teachers import load_score
from rlkit.training.config import RunConfig
from rlkit.training.folder import RunFolder

RESET_UPDATES = 100  # of a critic that begins anew, before the agent goes on (B-Pref's `reset_update`)


class Preferences:
    """The loop, its store, and what it does to the agent.

    Args:
        config: Of the run; its reward is a `PreferencesConfig`.
        envs: The run's.
        folder: The run's; the store is made in it, or the one that is there goes on.

    Attributes:
        loop: Of preference learning.

    Raises:
        UsageError: If the store is of another task, or ``reward.score`` cannot be loaded.
    """

    def __init__(self, config: RunConfig, envs: LearnedRewardEnvs, folder: RunFolder) -> None:
        reward: PreferencesConfig = config.reward
        self._config, self._envs, self._folder = reward, envs, folder
        score = None if reward.score is None else load_score(reward.score)
        fps: Any = envs.metadata.get("render_fps")
        header = Header(
            env_id=config.env.id,
            env_kwargs=config.env.arguments(),
            observation_space=envs.observation_space,
            action_space=envs.action_space,
            segment=reward.segment,
            fps=None if fps is None else float(fps),
            budget=reward.labels,
        )
        self._store = ComparisonStore.create(folder.preferences / STORE, header)
        self.loop = PreferenceLoop(
            reward,
            envs,
            self._store,
            steps=config.steps,
            gamma=config.agent.gamma,
            seed=config.seed,
            score=score,
            device=config.device,
        )
        envs.source = self.loop

    def hold(self, model: BaseAlgorithm) -> None:
        """Let an agent without a reward learn nothing until it has one; off-policy agents act at random until then."""
        if self._config.entropy or not self._config.labels or self.loop.model.fits:
            return
        if isinstance(model, OffPolicyAlgorithm):
            model.learning_starts = max(model.learning_starts, self.loop.schedule.round_step(0))
        vars(model)["train"] = lambda *_, **__: None  # until the first fit

    def apply(self, model: BaseAlgorithm, outcome: Round) -> None:
        """Let the agent know of a round: what it keeps gets the new rewards, and figures go to its logger."""
        config, scale = self._config, self._envs.reward_scale
        if outcome.fitted and config.relabel:
            relabel(model, self._envs.observation_space, lambda *step: self.loop.rewards_of(*step) * scale)
        if outcome.first_fit:
            vars(model).pop("train", None)
            if config.reset_critic and config.entropy:
                reset_critic(model, RESET_UPDATES)
        for name, value in outcome.figures.items():
            model.logger.record(f"preferences/{name}", value)
        if outcome.fitted:
            model.logger.record("time/reward_fit_s", outcome.seconds)

    def export(self) -> None:
        """Write ``reward/``."""
        save_reward(self._folder.reward, self.loop.model)

    def close(self) -> None:
        """Tell people how the run stands, and close the store."""
        self.loop.note()
        self._store.close()


class PreferenceCallback(BaseCallback):
    """Does the rounds that are due between an agent's iterations, and at the end of training.

    Args:
        preferences: Of the run.
        say: Tells people something.
        stopping: Whether the run is asked to stop.
    """

    def __init__(self, preferences: Preferences, say: Callable[[str], None], stopping: Callable[[], bool]) -> None:
        super().__init__()
        self._preferences, self._say, self._stopping = preferences, say, stopping

    def _on_training_start(self) -> None:
        self._preferences.hold(self.model)

    def _on_rollout_start(self) -> None:
        for outcome in self._preferences.loop.advance(self._stopping, self._say):
            self._preferences.apply(self.model, outcome)
            for message in outcome.messages:
                self._say(message)

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self._on_rollout_start()
