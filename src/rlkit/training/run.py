"""A run from its configuration to its report: the only place that knows the order of things."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, cast

import torch as th
from omegaconf import OmegaConf
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import HParam
from stable_baselines3.common.utils import safe_mean

from rlkit.agents import AGENTS, build_agent
from rlkit.agents.learner import Learner
from rlkit.agents.normalization import Normalizer
from rlkit.agents.policy import Policy, env_observation_space, save_policy
from rlkit.agents.vecenv import VecEnvAdapter
from rlkit.errors import UsageError
from rlkit.training import checkpoint, snapshot
from rlkit.training.config import RESUME_KEYS, RunConfig, check_key
from rlkit.training.environments import make_envs
from rlkit.training.evaluation import (
    SEED_OFFSET,
    evaluate_run,
    evaluation_envs,
    play_episodes,
    save_judgement,
)
from rlkit.training.film import Album
from rlkit.training.folder import RunFolder
from rlkit.training.logs import ProgressBar, make_logger
from rlkit.training.report import draw_curves, write_report


class Stopped(Exception):
    """The run was asked to stop and has stopped: with a checkpoint, or at once if it was asked twice.

    Attributes:
        signal: Which signal asked.
        folder: The run's.
    """

    def __init__(self, number: int, folder: RunFolder) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.signal, self.folder = number, folder


class _Boundary(Exception):
    """Leaves Stable-Baselines3's loop between two iterations."""


def train(config: RunConfig) -> RunFolder:
    """Train an agent, or go on where ``config.resume`` was left, and judge it.

    Args:
        config: What, how and for how long.

    Returns:
        The run folder.

    Raises:
        UsageError: If something cannot be done as asked; no run is damaged by it.
        Stopped: On Ctrl-C or SIGTERM, after a checkpoint; or at once, on the second.
    """
    if config.threads:
        th.set_num_threads(config.threads)
    envs = make_envs(config.env, config.num_envs(), reward=config.reward)
    spec = AGENTS.get(config.agent.name)
    masked = spec is not None and spec.masked is not None and envs.has_attr("action_masks")
    model = build_agent(config.agent, envs, seed=config.seed, device=config.device, masked=masked)
    folder = RunFolder(config.resume) if config.resume else RunFolder.create(config)
    try:
        with folder.locked():
            _learn(model, config, folder, masked)
            with _stop_at_once(folder):
                finish(folder, evaluate=config.evaluate)
    except OSError as error:
        raise UsageError(
            f"cannot write to {folder.path}: {error.strerror or error}. The run is as its newest checkpoint has it: "
            f"make room or give write permission, then go on with resume={folder.path}"
        ) from error
    except KeyboardInterrupt:
        raise Stopped(signal.SIGINT, folder) from None
    finally:
        envs.close()
    return folder


def finish(folder: RunFolder, *, evaluate: bool) -> None:
    """Curves, judgement and report of a trained run."""
    draw_curves(folder)
    tables = ""
    if evaluate:
        judgement, tables = evaluate_run(folder)
        save_judgement(folder.evaluation, judgement)
        print(tables)
    write_report(folder, tables)


def resume_config(saved: RunConfig, asked: dict[str, Any], folder: Path) -> RunConfig:
    """The configuration with which a run goes on.

    Args:
        saved: That of the run.
        asked: Keys and values of the command line.
        folder: The run's.

    Raises:
        UsageError: If something is asked for that would make it another run.
    """
    for group in ("env", "agent", "reward"):
        if asked.get(group, getattr(saved, group).name) != getattr(saved, group).name:
            raise UsageError(
                f"{folder} is a run of {group}={getattr(saved, group).name}, not {group}={asked[group]}: "
                f"leave {group}= out, or begin a new run"
            )
    node = OmegaConf.structured(saved)
    for key, value in asked.items():
        if key in RESUME_KEYS or key in ("env", "agent", "reward"):
            continue
        check_key(node, key)
        if OmegaConf.select(node, key) == value:
            continue
        if key == "run_dir":
            raise UsageError(f"resume={folder} goes on in that folder: leave run_dir= out")
        raise UsageError(
            f"{key}={value} cannot be changed in a run that goes on (it was made with another value): "
            f"leave it out, or begin a new run. What can be set with resume=: {', '.join(RESUME_KEYS[1:])}"
        )
    return saved


def _learn(model: BaseAlgorithm | Learner, config: RunConfig, folder: RunFolder, masked: bool) -> None:
    found = checkpoint.load_newest(folder.checkpoints, _say) if config.resume else None
    if found is not None:
        _go_back(model, folder, *found)
    elif config.resume:
        _say(f"{folder.path} has no checkpoint yet: beginning anew")
        model.set_logger(make_logger(folder, resumed_at=-1))
    else:
        model.set_logger(make_logger(folder, resumed_at=None))
    left = config.steps - model.num_timesteps
    if left <= 0:
        _say(f"{folder.path} has {model.num_timesteps:,} steps already; steps=<more> goes on")
        _export(model, config, folder, masked)  # of that last checkpoint
        model.logger.close()
        return
    if config.resume:
        folder.write_config(replace(config, resume=None))  # the next resume= needs to know of steps=<more>
    where = "Going on in" if found else "Training in"
    _say(f"{where} {folder.path}; watch it with: tensorboard --logdir {folder.path}")
    bar = ProgressBar(config.steps, model.num_timesteps, config.progress)
    with _stop_requests(bar.say) as requests:
        callback = RunCallback(config, folder, bar, requests, masked)
        try:
            model.learn(left, callback=callback, log_interval=None, reset_num_timesteps=False)  # type: ignore[arg-type]
        except _Boundary:
            raise Stopped(requests[0], folder) from None
        except ValueError as error:
            if "to satisfy the constraint" not in str(error):  # PyTorch's distributions refuse what is not a number
                raise
            raise _diverged(model, folder) from error
        finally:
            callback.close()
            bar.close()
            model.logger.close()


def _export(model: BaseAlgorithm | Learner, config: RunConfig, folder: RunFolder, masked: bool) -> None:
    """Write ``policy/``."""
    if isinstance(model, Learner):
        model.export(folder.policy, config.env.id)
    else:
        save_policy(folder.policy, model, config.agent, env_id=config.env.id, masked=masked)


def _go_back(model: BaseAlgorithm | Learner, folder: RunFolder, source: Path, state: dict[str, Any]) -> None:
    """Give the agent the state of a checkpoint, and a logger that forgets what came after."""
    try:
        step = int(state["counters"]["num_timesteps"])
        model.set_logger(make_logger(folder, resumed_at=step or -1))  # at step 0 the hyperparameters come anew
        snapshot.put(model, state)
    except UsageError:
        raise
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(f"{source} does not fit its run's configuration: {error!r}") from error


class RunCallback(BaseCallback):
    """What happens between two iterations: figures, evaluations, checkpoints, and the end if it was asked for.

    Args:
        config: The run's.
        folder: The run's.
        bar: Is told of every step.
        requests: Signals that asked to stop.
        masked: Whether the network takes action masks.
    """

    def __init__(
        self, config: RunConfig, folder: RunFolder, bar: ProgressBar, requests: list[int], masked: bool
    ) -> None:
        super().__init__()
        self._config, self._folder, self._bar, self._requests, self._masked = config, folder, bar, requests, masked
        self._eval_envs: VecEnvAdapter | None = None
        self._handled = 0
        self._album: Album | None = None
        self._normalizer: Normalizer | None = None

    def _on_training_start(self) -> None:
        self._handled = self.model.num_timesteps
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
            raise _Boundary

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
            raise _diverged(self.model, self._folder)
        if evaluate:
            self._evaluate(final)
        if log:
            envs = cast(VecEnvAdapter, self.model.env)
            for name, value in envs.pop_metrics().items():
                self.logger.record(f"{envs.metrics_prefix}/{name}", value)
            self.model.dump_logs()
        if save:
            self._checkpoint()

    def _checkpoint(self) -> None:
        for output in self.logger.output_formats:
            if hasattr(output, "writer"):
                output.writer.flush()  # figures up to the checkpoint are on disk before it
        tree = snapshot.take(self.model)
        checkpoint.save(self._folder.checkpoints, self.model.num_timesteps, tree, self._config.keep_checkpoints)
        _export(self.model, self._config, self._folder, self._masked)

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


def _diverged(model: BaseAlgorithm | Learner, folder: RunFolder) -> UsageError:
    return UsageError(
        f"training diverged: after {model.num_timesteps:,} steps the network's numbers are not finite any more. Begin "
        f"anew with a lower agent.learning_rate or reward.scale; checkpoints in {folder.checkpoints} are from before"
    )


@contextmanager
def _stop_requests(say: Any) -> Iterator[list[int]]:
    """A list that Ctrl-C and SIGTERM append to; the second one has its usual effect at once."""
    requests: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        requests.append(number)
        for name, handler in before.items():
            signal.signal(name, handler)
        say("Stopping after this iteration; once more stops at once.")

    try:
        before = {name: signal.signal(name, note) for name in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: nobody can press Ctrl-C here
        before = {}
    try:
        yield requests
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


@contextmanager
def _stop_at_once(folder: RunFolder) -> Iterator[None]:
    """SIGTERM stops a run that has all its steps and is being judged; Ctrl-C does by itself."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number, folder)

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
