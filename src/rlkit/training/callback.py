"""What happens between two iterations of an agent: figures, evaluations, checkpoints, the end."""

from __future__ import annotations

from typing import Any, cast

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import HParam
from stable_baselines3.common.utils import safe_mean

from rlkit.agents.learner import Learner
from rlkit.agents.normalization import Normalizer
from rlkit.agents.policy import Policy, env_observation_space, save_policy
from rlkit.agents.vecenv import VecEnvAdapter
from rlkit.errors import UsageError
from rlkit.training import checkpoint, snapshot
from rlkit.training.config import RunConfig
from rlkit.training.evaluation import SEED_OFFSET, evaluation_envs, play_episodes
from rlkit.training.film import Album
from rlkit.training.folder import RunFolder
from rlkit.training.logs import CPU, CpuClock, ProgressBar, read_progress
from rlkit.training.preferences import Preferences


class Boundary(Exception):
    """Leaves Stable-Baselines3's loop between two iterations."""


class RunCallback(BaseCallback):
    """What happens between two iterations: figures, evaluations, checkpoints, and the end if it was asked for.

    Args:
        config: The run's.
        folder: The run's.
        bar: Is told of every step.
        requests: Signals that asked to stop.
        masked: Whether the network takes action masks.
        preferences: Of a reward that is learned.
    """

    def __init__(
        self,
        config: RunConfig,
        folder: RunFolder,
        bar: ProgressBar,
        requests: list[int],
        masked: bool,
        preferences: Preferences | None = None,
    ) -> None:
        super().__init__()
        self._preferences = preferences
        self._config, self._folder, self._bar, self._requests, self._masked = config, folder, bar, requests, masked
        self._eval_envs: VecEnvAdapter | None = None
        self._handled = 0
        self._clock = CpuClock(0.0)
        self._album: Album | None = None
        self._normalizer: Normalizer | None = None

    def _on_training_start(self) -> None:
        self._handled = self.model.num_timesteps
        earlier = [row[CPU] for row in read_progress(self._folder.progress) if CPU in row]
        self._clock = CpuClock(earlier[-1] if earlier else 0.0)
        extractor = getattr(getattr(self.model, "policy", None), "features_extractor", None)
        self._normalizer = extractor if isinstance(extractor, Normalizer) else None
        if self._handled == 0:
            self._record_hyperparameters()
            if self._normalizer is not None:
                self._normalizer.gather(self.model._last_obs)  # type: ignore[arg-type]

    def _on_rollout_start(self) -> None:
        if self._normalizer is not None:
            self._normalizer.settle()
        stop = bool(self._requests)
        if self.model.num_timesteps > self._handled:
            self._between_iterations(last=stop)
        elif stop:
            self._checkpoint()
        if stop:
            raise Boundary

    def _on_step(self) -> bool:
        if self._normalizer is not None:
            self._normalizer.gather(self.locals["new_obs"])
        window = self.model.ep_info_buffer
        self._bar.update(self.num_timesteps, safe_mean([info["r"] for info in window]) if window else None)
        return True

    def _on_training_end(self) -> None:
        if self._normalizer is not None:
            self._normalizer.settle()
        self._between_iterations(last=True, final=True)

    def _between_iterations(self, *, last: bool, final: bool = False) -> None:
        """Do what is due; ``last``: no other time will come, ``final``: the run has all its steps."""
        before, self._handled = self._handled, self.model.num_timesteps
        config = self._config

        def due(every: int) -> bool:
            return every > 0 and self._handled // every > before // every

        evaluate = due(config.eval_every) or (final and config.eval_every > 0)
        save = due(config.checkpoint_every) or last
        log = due(config.log_every) or evaluate or final
        if (evaluate or save or log) and not _is_finite(self.model):
            raise diverged(self.model, self._folder)
        if evaluate:
            with self._clock.paused():
                self._evaluate(final)
        if log:
            envs = cast(VecEnvAdapter, self.model.env)
            for name, value in envs.pop_metrics().items():
                self.logger.record(f"{envs.metrics_prefix}/{name}", value)
            self.logger.record(CPU, self._clock.seconds())
            self.model.dump_logs()
        if save:
            self._checkpoint()

    def _checkpoint(self) -> None:
        for output in self.logger.output_formats:
            if hasattr(output, "writer"):
                output.writer.flush()  # figures up to the checkpoint are on disk before it
        tree = snapshot.take(self.model)
        if self._preferences is not None:
            tree["preferences"] = self._preferences.loop.get_state()
        checkpoint.save(self._folder.checkpoints, self.model.num_timesteps, tree, self._config.keep_checkpoints)
        export(self.model, self._config, self._folder, self._masked, self._preferences)

    def _evaluate(self, final: bool) -> None:
        config = self._config
        learner: Any = self.model
        if isinstance(learner, Learner):
            learner.evaluate()
            return
        if self._eval_envs is None or self._album is None:
            self._eval_envs = evaluation_envs(config.env, config.eval_episodes)
            self._album = Album(config.env, self._eval_envs.metadata, config.eval_every, self._bar.say)
        description = {"agent": config.agent.name, "env_id": config.env.id}
        policy = Policy(self.model.policy, env_observation_space(self.model), description)
        seed = SEED_OFFSET + config.seed
        episodes = play_episodes(policy, self._eval_envs, config.eval_episodes, seed)
        self.logger.record("eval/mean_reward", float(episodes.returns.mean()))
        self.logger.record("eval/mean_ep_length", float(episodes.lengths.mean()))
        if episodes.successes is not None:
            self.logger.record("eval/success_rate", float(episodes.successes.mean()))
        prefix = self._eval_envs.metrics_prefix
        for name, value in self._eval_envs.pop_metrics().items():
            self.logger.record(f"eval/{prefix}_{name}", value)
        shown = self._album.look(policy, seed, self.model.num_timesteps, final=final)
        for tag, drawn in shown.items():
            self.logger.record(tag, drawn, exclude=("stdout", "csv"))

    def _record_hyperparameters(self) -> None:
        plain = {
            "agent": self._config.agent.name,
            "env": self._config.env.id,
            "seed": self._config.seed,
            "steps": self._config.steps,
            "n_envs": self._config.num_envs(),
            "reward_scale": self._config.reward.scale,
        }
        for key, value in vars(self._config.agent).items():
            plain.setdefault(key, value if isinstance(value, bool | int | float | str) else str(value))
        metrics = {"rollout/ep_rew_mean": 0.0, "eval/mean_reward": 0.0}
        self.logger.record("hyperparameters", HParam(plain, metrics), exclude=("stdout", "csv"))
        self.logger.dump(0)

    def close(self) -> None:
        """Close what was made for evaluations."""
        if self._eval_envs is not None:
            self._eval_envs.close()


def _is_finite(model: BaseAlgorithm | Learner) -> bool:
    """Whether the network's numbers are; a learner that is no agent answers for its own."""
    if isinstance(model, Learner):
        return True
    return all(bool(parameter.isfinite().all()) for parameter in model.policy.parameters())


def diverged(model: BaseAlgorithm | Learner, folder: RunFolder) -> UsageError:
    """What to tell of a network whose numbers are not finite any more."""
    return UsageError(
        f"training diverged: after {model.num_timesteps:,} steps the network's numbers are not finite any more. Begin "
        f"anew with a lower agent.learning_rate or reward.scale; checkpoints in {folder.checkpoints} are from before"
    )


def export(
    model: BaseAlgorithm | Learner,
    config: RunConfig,
    folder: RunFolder,
    masked: bool,
    preferences: Preferences | None,
) -> None:
    """Write ``policy/``, and ``reward/`` if it was learned."""
    if preferences is not None:
        preferences.export()
    if isinstance(model, Learner):
        model.export(folder.policy, config.env.id)
    else:
        save_policy(folder.policy, model, config.agent, env_id=config.env.id, masked=masked)
