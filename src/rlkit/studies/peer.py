"""A peer, `imitation` 1.0.1, at the same tasks with as many comparisons, in a Python of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from rlkit.agents.config import SACConfig
from rlkit.errors import UsageError
from rlkit.rewards.config import PreferencesConfig
from rlkit.studies import peer_process
from rlkit.studies.peer_process import TOLD
from rlkit.training import evaluation
from rlkit.training.config import RunConfig
from rlkit.training.folder import RunFolder
from rlkit.training.logs import CPU, ProgressTable
from rlkit.training.report import EVALUATION
from rlkit.training.run import Stopped
from rlkit.training.tasks import GymConfig

PYTHON = "RLKIT_IMITATION_PYTHON"
NO_PEER = f"{PYTHON} is not set: give it the Python of a virtual environment with imitation 1.0.1 (docs/preferences.md)"
SAC = ("learning_rate", "gamma", "buffer_size", "learning_starts", "batch_size", "tau", "train_freq", "gradient_steps")


def task_of(config: RunConfig) -> dict[str, Any]:
    """What :mod:`rlkit.studies.peer_process` is to do: what our run with this configuration does.

    Args:
        config: Of one of Gymnasium's tasks, with SAC and a scripted teacher.
    """
    env, agent, reward = config.env, config.agent, config.reward
    assert isinstance(env, GymConfig) and isinstance(agent, SACConfig) and isinstance(reward, PreferencesConfig)
    assert config.steps is not None and config.n_envs is not None
    network = {"net_arch": agent.net_arch, "optimizer_kwargs": {"fused": True}}  # as our agent's
    return {
        "env_id": env.id,
        "env_kwargs": env.kwargs,
        "n_envs": config.n_envs,
        "steps": config.steps,
        "eval_every": config.eval_every,
        "eval_episodes": config.eval_episodes,
        "eval_seed": evaluation.SEED_OFFSET,
        "final_episodes": evaluation.FINAL_EPISODES,
        "seed": config.seed,
        "labels": reward.labels,
        "rounds": reward.rounds,
        "segment": reward.segment,
        "first": reward.pretraining_labels,
        "sampled": reward.explore(config.steps, config.n_envs) / reward.pretraining_labels,
        "sac": {key: getattr(agent, key) for key in SAC} | {"policy_kwargs": network},
    }


def has_peer() -> bool:
    """Whether its Python is known."""
    return bool(os.environ.get(PYTHON))


def environment() -> dict[str, str]:
    """Environment variables of its process: one thread, no progress bars."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}


def train_peer(config: RunConfig) -> None:
    """Have the peer do a run, and write what came of it as a run folder has it; one that is stopped leaves nothing.

    Raises:
        UsageError: If the environment variable that tells its Python is not set, or it failed.
        Stopped: If it was interrupted.
    """
    if not has_peer():
        raise UsageError(NO_PEER)
    try:
        *evaluations, judged = _said(os.environ[PYTHON], task_of(config))
    except KeyboardInterrupt:
        raise Stopped(signal.SIGINT, RunFolder(config.run_dir or "")) from None
    folder = RunFolder.create(config)
    table = ProgressTable(folder.progress, None)
    for steps, cpu_s, found in evaluations:
        table.write({EVALUATION: found, CPU: cpu_s}, {}, steps)
    evaluation.save_judgement(folder.evaluation, {"score": judged})


def _said(python: str, task: dict[str, Any]) -> list[Any]:
    """What the process told; the package prints as well."""
    arguments = [python, "-P", str(Path(peer_process.__file__)), json.dumps(task)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    with subprocess.Popen(arguments, env=environment(), **pipes) as process:
        try:
            said, complaints = process.communicate()
        finally:  # whoever is interrupted leaves no process behind
            process.kill()
            process.wait()
    if process.returncode:
        last = (complaints.splitlines() or ["no message"])[-1]
        raise UsageError(f"imitation failed in {python} (exit code {process.returncode}): {last}")
    told = [json.loads(line.removeprefix(TOLD)) for line in said.splitlines() if line.startswith(TOLD)]
    if not told:
        raise UsageError(f"imitation told no return in {python}: {PYTHON} must be the Python that has it")
    return told
