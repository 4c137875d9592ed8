"""A short history of the small plant, and what it takes to train on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch as th

from rlkit.agents.predictor.history import History, gather

ENV_ID = "rlkit/DataCenterCooling-v0"
PLANT: dict[str, Any] = {"plant": "two_zone"}
PREDICTOR = (
    "env=gym",
    f"env.id={ENV_ID}",
    "env.kwargs.plant=two_zone",
    "agent=pue_predictor",
    "seed=3",
    "steps=60",
    "n_envs=1",
    "threads=1",
    "agent.days=6",
    "agent.weather=[marine,temperate]",
    "agent.workload=[diurnal,diurnal]",
    "agent.unseen=[hot_humid]",
    "agent.members=3",
    "agent.net_arch=[8,8]",
    "agent.batch_size=32",
    "log_every=20",
    "eval_every=30",
    "checkpoint_every=20",
    "keep_checkpoints=5",
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """These networks are too small for several threads, which wait for each other where tests share the cores."""
    before = th.get_num_threads()
    th.set_num_threads(1)
    yield
    th.set_num_threads(before)


@pytest.fixture(scope="session")
def history() -> History:
    """Two years of six days each, two halls; only to be read."""
    years = {"weather": ["marine", "temperate"], "workload": ["diurnal", "diurnal:1"]}
    return gather(ENV_ID, PLANT, halls=2, days=6, seed=5, **years)


@pytest.fixture(scope="session")
def predictor_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of agent=pue_predictor; only to be read."""
    from commands import run

    folder = tmp_path_factory.mktemp("predictor")
    finished = run("train", *PREDICTOR, "evaluate=true", "progress=false", "run_dir=whole", folder=folder)
    assert finished.code == 0, finished.err
    return folder / "whole"
