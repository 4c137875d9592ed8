"""A run from its configuration to its report: the only place that knows the order of things."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch as th
from omegaconf import OmegaConf
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList

from rlkit.agents import AGENTS, build_agent
from rlkit.agents.learner import Learner
from rlkit.errors import UsageError
from rlkit.rewards.config import PreferencesConfig
from rlkit.rewards.envs import LearnedRewardEnvs
from rlkit.training import budget, checkpoint, snapshot
from rlkit.training.auditing import audit_run
from rlkit.training.callback import Boundary, RunCallback, diverged, export
from rlkit.training.config import RESUME_KEYS, RunConfig, check_key
from rlkit.training.environments import make_envs
from rlkit.training.evaluation import (
    evaluate_run,
    save_judgement,
)
from rlkit.training.folder import RunFolder
from rlkit.training.logs import ProgressBar, make_logger
from rlkit.training.preferences import PreferenceCallback, Preferences
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
    preferences = None
    try:
        with folder.locked():
            if isinstance(config.reward, PreferencesConfig):
                assert isinstance(envs, LearnedRewardEnvs)
                preferences = Preferences(config, envs, folder)
            _learn(model, config, folder, masked, preferences)
            with _stop_at_once(folder):
                finish(folder, evaluate=config.evaluate, preferences=preferences)
    except OSError as error:
        raise UsageError(
            f"cannot write to {folder.path}: {error.strerror or error}. The run is as its newest checkpoint has it: "
            f"make room or give write permission, then go on with resume={folder.path}"
        ) from error
    except KeyboardInterrupt:
        raise Stopped(signal.SIGINT, folder) from None
    finally:
        if preferences is not None:
            preferences.close()
        envs.close()
    return folder


def finish(folder: RunFolder, *, evaluate: bool, preferences: Preferences | None = None) -> None:
    """Curves, judgement and report of a trained run, and the audit of a learned reward."""
    draw_curves(folder)
    tables = ""
    if evaluate:
        if preferences is not None:
            print(audit_run(folder, preferences.loop))
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


def _learn(
    model: BaseAlgorithm | Learner,
    config: RunConfig,
    folder: RunFolder,
    masked: bool,
    preferences: Preferences | None,
) -> None:
    found = checkpoint.load_newest(folder.checkpoints, _say) if config.resume else None
    if found is not None:
        _go_back(model, preferences, folder, *found)
    elif config.resume:
        _say(f"{folder.path} has no checkpoint yet: beginning anew")
        model.set_logger(make_logger(folder, resumed_at=-1))
    else:
        model.set_logger(make_logger(folder, resumed_at=None))
    left = config.steps - model.num_timesteps
    if left <= 0:
        _say(f"{folder.path} has {model.num_timesteps:,} steps already; steps=<more> goes on")
        export(model, config, folder, masked, preferences)  # of that last checkpoint
        model.logger.close()
        return
    if config.resume:
        folder.write_config(replace(config, resume=None))  # the next resume= needs to know of steps=<more>
    where = "Going on in" if found else "Training in"
    _say(f"{where} {folder.path}; watch it with: tensorboard --logdir {folder.path}")
    if (line := budget.told(model, config, left)) is not None:
        _say(line)
    bar = ProgressBar(config.steps, model.num_timesteps, config.progress)
    with _stop_requests(bar.say) as requests:
        callback = RunCallback(config, folder, bar, requests, masked, preferences)
        callbacks: BaseCallback = callback
        if preferences is not None:
            asking = PreferenceCallback(preferences, bar.say, lambda: bool(requests))
            callbacks = CallbackList([asking, callback])
        try:
            model.learn(left, callback=callbacks, log_interval=None, reset_num_timesteps=False)  # type: ignore[arg-type]
        except Boundary:
            raise Stopped(requests[0], folder) from None
        except ValueError as error:
            if "to satisfy the constraint" not in str(error):  # PyTorch's distributions refuse what is not a number
                raise
            raise diverged(model, folder) from error
        finally:
            callback.close()
            bar.close()
            model.logger.close()


def _go_back(
    model: BaseAlgorithm | Learner,
    preferences: Preferences | None,
    folder: RunFolder,
    source: Path,
    state: dict[str, Any],
) -> None:
    """Give the agent the state of a checkpoint, and a logger that forgets what came after."""
    try:
        step = int(state["counters"]["num_timesteps"])
        model.set_logger(make_logger(folder, resumed_at=step or -1))  # at step 0 the hyperparameters come anew
        snapshot.put(model, state)
        if preferences is not None:
            preferences.loop.set_state(state["preferences"])
    except UsageError:
        raise
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(f"{source} does not fit its run's configuration: {error!r}") from error


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
