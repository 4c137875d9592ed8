"""What a finished run leaves, and what TensorBoard shows of it."""

from __future__ import annotations

import functools
import json
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from commands import kill_at, run
from rlkit import load_policy
from rlkit.envs.negotiation.opponents import OPPONENTS
from rlkit.training.folder import RunFolder
from runs import CARTPOLE, QUIET, images, progress, scalars


def test_folder_has_all_that_was_promised(negotiation_run: Path) -> None:
    names = {path.name for path in negotiation_run.iterdir()}
    events = {name for name in names if name.startswith("events.out.tfevents.")}
    expected = {"config.yaml", "progress.csv", "checkpoints", "evaluation.json", "report.md", "curves.png", "policy"}
    assert names == expected | events
    assert len(events) == 1
    assert {path.name for path in (negotiation_run / "policy").iterdir()} == {"policy.json", "weights.safetensors"}
    assert len(list((negotiation_run / "checkpoints").iterdir())) == 2  # keep_checkpoints


def test_only_one_run_is_told_what_to_do_next(negotiation_run: Path) -> None:
    said = (negotiation_run.parents[1] / "said.txt").read_text().splitlines()
    assert said[0] == "Training in negotiation-ppo/first; watch it with: tensorboard --logdir negotiation-ppo/first"
    lines = [line for line in said if re.search(r"^[\d,]+/2,560 steps, return .*, [\d,]+ steps/s, \d+ s left$", line)]
    assert 10 <= len(lines) <= 20
    assert said[-1].startswith("Done: negotiation-ppo/first has curves.png, report.md and policy/")


def test_configuration_is_what_was_asked_for(negotiation_run: Path, instances: Path) -> None:
    config = RunFolder(negotiation_run).read_config()
    assert (config.env.name, config.agent.name, config.seed, config.steps) == ("negotiation", "ppo", 3, 2560)
    assert config.agent.net_arch == [16]
    assert config.env.eval_kwargs == {"scenarios": str(instances)}
    assert config.agent.learning_rate_schedule == "linear"  # what is tuned for the pair


def test_judgement_is_a_table_of_the_agent_and_every_bot(negotiation_run: Path) -> None:
    judgement = json.loads((negotiation_run / "evaluation.json").read_text())
    assert set(judgement["players"]) == {"agent", *OPPONENTS}
    assert judgement["held_out"] == ["tit_for_tat", "bluffer"]
    assert judgement["instances"] == 4
    printed = (negotiation_run.parents[1] / "printed.txt").read_text().strip()
    report = (negotiation_run / "report.md").read_text()
    assert printed in report
    assert all(f"| {name} " in printed for name in OPPONENTS) and "| **agent**" in printed
    assert "clairvoyant bound" in printed and "95 % interval" in printed
    assert "![learning curves](curves.png)" in report and "2,560 of 2,560 steps" in report


def test_curves_are_a_picture(negotiation_run: Path) -> None:
    with Image.open(negotiation_run / "curves.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert min(pixels.shape[:2]) > 500
    assert (pixels == (0, 114, 178)).all(-1).sum() > 500  # the curves' blue


def test_policy_plays(negotiation_run: Path) -> None:
    policy = load_policy(negotiation_run)
    rng = np.random.default_rng(0)
    masks = rng.random((50, 121)) < 0.2
    masks[:, 3] = True
    actions = policy.predict(rng.random((50, 93), dtype=np.float32), masks)
    assert masks[np.arange(50), actions].all()


SB3_ON_POLICY = """
    rollout/ep_rew_mean rollout/ep_len_mean rollout/success_rate time/fps train/loss train/learning_rate
    train/approx_kl train/clip_fraction train/clip_range train/entropy_loss train/explained_variance
    train/policy_gradient_loss train/value_loss eval/mean_reward eval/mean_ep_length eval/success_rate
""".split()
SB3_DQN = """
    rollout/ep_rew_mean rollout/ep_len_mean rollout/exploration_rate time/fps train/loss train/learning_rate
    eval/mean_reward eval/mean_ep_length
""".split()
NEGOTIATION = [
    f"negotiation/{name}" for name in "utility partner_utility agreement pareto_share nash_gap turns".split()
]


def test_tensorboard_has_sb3s_names_and_the_tasks_own(negotiation_run: Path, cartpole_run: Path) -> None:
    for folder, names in ((negotiation_run, [*SB3_ON_POLICY, *NEGOTIATION]), (cartpole_run, SB3_DQN)):
        tags = EventAccumulator(str(folder)).Reload().Tags()["scalars"]
        assert not set(names) - set(tags)
        assert not {"time/total_timesteps", "time/time_elapsed", "train/n_updates"} & set(tags)


def test_table_has_the_figures_of_tensorboard(negotiation_run: Path) -> None:
    rows = progress(negotiation_run)
    for tag, points in scalars(negotiation_run).items():
        written = [(int(row["step"]), float(row[tag])) for row in rows if row.get(tag)]
        assert [step for step, _ in written] == [step for step, _ in points], tag
        np.testing.assert_allclose([v for _, v in written], [v for _, v in points], rtol=1e-6)


def test_figures_are_taken_where_they_are_due(negotiation_run: Path) -> None:
    """Rows at multiples of log_every, evaluations at those of eval_every and at the end."""
    points = scalars(negotiation_run)
    assert [step for step, _ in points["eval/mean_reward"]] == [640, 1280, 1920, 2560]
    assert {step for step, _ in points["rollout/ep_rew_mean"]} >= set(range(256, 2561, 256))
    for _, utility in points["negotiation/utility"]:
        assert 0.0 <= utility <= 10.0


def test_tensorboard_has_the_hyperparameters(negotiation_run: Path) -> None:
    events = EventAccumulator(str(negotiation_run)).Reload()
    content = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    found = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert found["agent"].string_value == "ppo"
    assert found["seed"].number_value == 3
    assert found["n_epochs"].number_value == 2
    assert found["net_arch"].string_value == "[16]"


def test_tensorboard_has_a_picture_of_a_game(negotiation_run: Path) -> None:
    pictures = images(negotiation_run)["eval/last_frame"]
    assert [step for step, _ in pictures] == [640, 1280, 1920, 2560]
    assert all(content.startswith(b"\x89PNG") for _, content in pictures)


@pytest.fixture(scope="module")
def server(negotiation_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """TensorBoard on two runs, one of them killed and resumed; its address."""
    runs = tmp_path_factory.mktemp("runs")
    shutil.copytree(negotiation_run, runs / "finished")
    fault = functools.partial(kill_at, "rlkit.training.checkpoint:_sha256", 10)
    assert run("train", *CARTPOLE, *QUIET, "run_dir=resumed", folder=runs, fault=fault).code == -signal.SIGKILL
    assert run("train", "resume=resumed", folder=runs).code == 0
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(runs), "--host", "127.0.0.1", "--port", "0"]
    log = runs / "tensorboard.log"
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield wait_for(lambda: re.search(r"http://127\.0\.0\.1:\d+/", log.read_text())).group()
        finally:
            process.terminate()


def wait_for(look: Any, patience_s: float = 120.0) -> Any:
    end = time.monotonic() + patience_s
    while not (found := look()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.1)
    return found


def get(address: str, **query: str) -> Any:
    with urllib.request.urlopen(f"{address}?{urllib.parse.urlencode(query)}", timeout=30) as answer:
        return json.load(answer)


@pytest.mark.parametrize("name", ["finished", "resumed"])
def test_tensorboard_serves_the_curves(name: str, server: str, negotiation_run: Path) -> None:
    """Each step once, although a part of the resumed run was logged twice."""
    scalars_of = f"{server}data/plugin/scalars/"
    tags = wait_for(lambda: get(f"{scalars_of}tags").get(name))
    assert {"rollout/ep_rew_mean", "eval/mean_reward", "train/loss"} <= set(tags)
    last = {"finished": 2560, "resumed": 900}[name]

    def points() -> Any:
        found = get(f"{scalars_of}scalars", run=name, tag="rollout/ep_rew_mean")
        return found if found[-1][1] == last else None

    found = wait_for(points)
    steps = [step for _, step, _ in found]
    assert steps == sorted(set(steps)) and len(steps) > 5
    if name == "finished":
        expected = scalars(negotiation_run)["rollout/ep_rew_mean"]
        assert [(step, pytest.approx(value)) for _, step, value in found] == expected
