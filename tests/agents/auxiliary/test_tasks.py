"""Auxiliary tasks: their targets, their losses, and how their gradients join the agent's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.logger import Image, Logger

import toys
from rlkit.agents import build_agent
from rlkit.agents.auxiliary import tasks as task_module
from rlkit.agents.auxiliary.learner import TASKS, Auxiliaries
from rlkit.agents.auxiliary.pixel_control import pixel_control_loss
from rlkit.agents.auxiliary.task import Sizes, View
from rlkit.agents.auxiliary.tasks import FeatureControl, PixelControl, RewardPrediction
from rlkit.agents.config import AuxiliaryConfig, DQNConfig
from rlkit.agents.dqn import DQN
from rlkit.agents.replay import CompactReplay, Sequences
from rlkit.agents.vecenv import VecEnvAdapter
from rlkit.errors import UsageError

SIZES = Sizes((5, 3, 4), 7, (1, 14, 18), 3, 255.0)  # cells of 4: 3x4, with 2 pixels too many each way
STACK = 2


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = th.get_num_threads()
    th.set_num_threads(1)
    yield
    th.set_num_threads(before)


def control(**changes: Any) -> PixelControl:
    th.manual_seed(0)
    settings = {"cell_size": 4, "head": "map", "weight": 1.0, "discount": 0.9, **changes}
    return PixelControl(changes.pop("sizes", SIZES), **{k: v for k, v in settings.items() if k != "sizes"})


def sequences(m: int = 2, steps: int = 5, seed: int = 0) -> Sequences:
    """The first terminates after three steps and is cut there, the others go on."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (m, steps + 1, STACK, 14, 18), dtype=np.uint8)
    inside, goes_on = np.ones((m, steps), np.float32), np.ones((m, steps), np.float32)
    frames[0, 4:], inside[0, 3:], goes_on[0, 2] = frames[0, 3], 0.0, 0.0
    actions, rewards = rng.integers(3, size=(m, steps)), rng.normal(size=(m, steps)).astype(np.float32)
    return Sequences(*map(th.from_numpy, (frames, actions, rewards, goes_on, inside)))


def view(rows: int, seed: int) -> View:
    generator = th.Generator().manual_seed(seed)
    return View(th.rand(rows, 5, 3, 4, generator=generator), th.rand(rows, 7, generator=generator))


def reference(task: PixelControl, twin: PixelControl, seen: Sequences, online: View, last: View) -> th.Tensor:
    """By the public function, one sequence at a time, up to its cut: summed over cells, averaged over steps."""
    total, count = th.zeros(()), 0
    values = task.values(online).unflatten(0, seen.actions.shape)
    for row in range(len(seen.actions)):
        length = int(seen.steps[row].sum())
        frames = seen.observations[row, : length + 1, -1:, 1:-1, 1:-1].permute(0, 2, 3, 1) / 255.0
        ahead = twin.values(View(last.maps[row, None], last.features[row, None]))
        action_values = th.cat([values[row, :length], ahead]).permute(0, 2, 3, 1)
        discount = 0.9 * seen.goes_on[row, :length]
        total = total + pixel_control_loss(frames, seen.actions[row, :length], action_values, discount, 4).sum()
        count += length
    return total / count


@pytest.mark.parametrize("head", ["map", "features"])
def test_pixel_control_learns_what_the_oracle_says(head: str) -> None:
    """Which is what rlax says. Only the newest frame of a stack counts, its centre, and never a frame past the cut."""
    task, twin, seen = control(head=head), control(head=head), sequences()
    online, last = view(10, 1), view(2, 2)
    th.testing.assert_close(task.loss(online, last, twin, seen), reference(task, twin, seen, online, last))


def no_crop(frames: th.Tensor, cell_size: int, grid: Any = None) -> th.Tensor:
    return frames[..., : grid[0] * cell_size, : grid[1] * cell_size]


def mean_of_cells(losses: th.Tensor, steps: th.Tensor) -> th.Tensor:
    return (losses.flatten(2).mean(2) * steps).sum() / steps.sum()


def padded_steps(losses: th.Tensor, steps: th.Tensor) -> th.Tensor:
    return losses.flatten(2).sum(2).mean()


@pytest.mark.parametrize(
    ("name", "mutant"),
    [("crop_to_cells", no_crop), ("mean_over_steps", mean_of_cells), ("mean_over_steps", padded_steps)],
)
def test_the_oracle_notices_mistakes(name: str, mutant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    task, seen, online, last = control(), sequences(), view(10, 1), view(2, 2)
    expected = reference(task, task, seen, online, last)
    monkeypatch.setattr(task_module, name, mutant)
    assert abs(task.loss(online, last, task, seen) - expected) > 1e-3


def test_terminal_masks_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    task, seen, online, last = control(), sequences(), view(10, 1), view(2, 2)
    expected = reference(task, task, seen, online, last)
    monkeypatch.setattr(PixelControl, "discounts", lambda self, given: th.full_like(given.steps, 0.9))
    assert abs(task.loss(online, last, task, seen) - expected) > 1e-3


def test_one_target_for_the_agents_own_batch() -> None:
    """Shared: values of the first observation alone, against the same targets."""
    task, twin, seen = control(), control(), sequences()
    whole, last = view(10, 1), view(2, 2)
    first = View(whole.maps[::5], whole.features[::5])
    only = seen._replace(steps=th.cat([seen.steps[:, :1], th.zeros(2, 4)], 1))
    shared = task.loss(first, last, twin, seen)
    values, targets = task._last  # type: ignore[misc]
    task.loss(whole, last, twin, seen)
    th.testing.assert_close(values, task._last[0][::5])  # type: ignore[index]
    th.testing.assert_close(targets, task._last[1][::5])  # type: ignore[index]
    assert only.steps.sum() == 2
    th.testing.assert_close(shared, 0.5 * (values - targets).square().sum() / 2)


@pytest.mark.parametrize(
    ("map_shape", "frame", "cell"),
    [
        ((32, 9, 9), (1, 84, 84), 4),
        ((32, 9, 9), (3, 42, 42), 4),
        ((16, 8, 8), (4, 10, 10), 1),
        ((32, 9, 9), (1, 36, 40), 8),
    ],
)
@pytest.mark.parametrize("head", ["map", "features"])
def test_heads_fit_every_grid(map_shape: Any, frame: Any, cell: int, head: str) -> None:
    sizes = Sizes(map_shape, 11, frame, 6, 255.0)
    task = PixelControl(sizes, cell_size=cell, head=head, weight=1.0, discount=0.9)
    values = task.values(View(th.rand(2, *map_shape), th.rand(2, 11)))
    assert values.shape == (2, 6, *task.grid)
    assert all(0 <= size // cell - cells <= 1 for size, cells in zip(frame[1:], task.grid, strict=True))
    assert values.std((2, 3)).min() > 0  # every cell is told apart


def test_the_head_of_unreal() -> None:
    """A 9x9 map, kernel 4, stride 2: 20x20 cells."""
    task = PixelControl(Sizes((32, 9, 9), 256, (1, 84, 84), 6, 255.0), cell_size=4, head="map", weight=1, discount=0.9)
    assert (task.streams.kernel_size, task.streams.stride, task.grid) == ((4, 4), (2, 2), (20, 20))
    assert isinstance(task.pool, th.nn.Identity)


def test_pixels_count_from_zero_to_one() -> None:
    """Whatever the brightest is: 255 of bytes, or 1 of floats that the network takes as they are."""
    seen = sequences()
    floats = seen._replace(observations=seen.observations.float() / 255)
    one, other = control(), control(sizes=SIZES._replace(brightest=1.0))
    th.testing.assert_close(one.rewards(seen), other.rewards(floats))
    assert one.rewards(seen).max() < 1.0


def test_the_placebo_has_the_same_rewards_at_other_steps() -> None:
    seen = sequences(m=6)
    real, dealt = control().rewards(seen), control(shuffled=True).rewards(seen)
    assert not th.equal(real, dealt)
    key = real.flatten(0, 1).sum((1, 2)).sort().values
    th.testing.assert_close(dealt.flatten(0, 1).sum((1, 2)).sort().values, key)


def test_feature_control_is_rewarded_for_changes() -> None:
    """As rlax's `feature_control_rewards(cumulant_type="absolute_change")` of channel means."""
    task, twin, seen = (FeatureControl(SIZES, weight=1.0, discount=0.9) for _ in range(2)), None, sequences()
    task, twin = task
    maps = th.rand(2, 6, 5, 3, 4)
    task.observe(maps)
    expected = np.abs(np.diff(maps.mean((3, 4)).numpy(), axis=1))
    np.testing.assert_allclose(task.changes, expected, rtol=1e-5)
    online, last = view(10, 1), view(2, 2)
    loss = task.loss(online, last, twin, seen)
    value = twin.values(last).amax(1)
    chosen = task.values(online).unflatten(0, (2, 5)).gather(2, seen.actions[:, :, None, None].expand(2, 5, 1, 5))
    total = 0.0
    for row, length in ((0, 3), (1, 5)):
        target = value[row]
        for step in range(length - 1, -1, -1):
            target = th.from_numpy(expected)[row, step] + 0.9 * seen.goes_on[row, step] * target
            total += 0.5 * (target - chosen[row, step, 0]).square().sum().item()
    assert loss.item() == pytest.approx(total / 8, rel=1e-5)


def test_reward_prediction_has_three_classes() -> None:
    task, maps = RewardPrediction(SIZES, observations=3, weight=1.0), th.rand(5, 3, 5, 3, 4)
    rewards = th.tensor([0.0, 2.5, -0.1, 0.0, 7.0])
    logits = task.classes(maps.flatten(1))
    expected = th.nn.functional.cross_entropy(logits, th.tensor([0, 1, 2, 0, 1]))
    th.testing.assert_close(task.loss(maps, rewards), expected)


# The agent's network and its tasks together


class Moving(toys.Toy):
    """Two frames, 14x18; episodes of eight steps; rewards are rare."""

    observation_space = spaces.Box(0, 255, (STACK, 14, 18), np.uint8)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self._frame = np.zeros((14, 18), np.uint8)
        return super().reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, _, over, _, info = super().step(action)
        return observation, float(self.np_random.random() < 0.1), over, False, info

    def _observe(self) -> Any:
        before, self._frame = self._frame, self.np_random.integers(1, 256, (14, 18), dtype=np.uint8)
        return np.stack([before, self._frame])


def envs(env: Any = Moving, scale: float = 1.0) -> VecEnvAdapter:
    made = VecEnvAdapter(SyncVectorEnv([env] * 2, autoreset_mode=AutoresetMode.SAME_STEP), scale)
    made.metadata = {**(made.metadata or {}), "frame_stack": STACK}
    return made


def agent(tasks: tuple[str, ...] = TASKS, scale: float = 1.0, **changes: Any) -> DQN:
    auxiliary = AuxiliaryConfig(tasks=list(tasks), steps=5, sequences=2, reward_batch=6)
    own = {}
    for key, value in changes.items():
        if hasattr(auxiliary, key):
            setattr(auxiliary, key, value)
        else:
            own[key] = value
    config = DQNConfig(
        net_arch=[16], learning_starts=40, batch_size=8, buffer_size=300, train_freq=2, gradient_steps=1,
        target_update_interval=30, auxiliary=auxiliary, **own,
    )  # fmt: skip
    model = build_agent(config, envs(scale=scale), seed=0, device="cpu", masked=False)
    assert isinstance(model, DQN)
    model.set_logger(Logger(None, []))
    return model


@pytest.mark.parametrize("head", ["map", "features"])
@pytest.mark.parametrize("n_steps", [1, 3])
def test_gradients_are_those_of_the_weighted_sum(head: str, n_steps: int) -> None:
    """However they were computed: by one plain backward pass through the sum of the losses."""
    model = agent(("pixel_control",), pixel_head=head, pixel_weight=0.3, n_steps=n_steps, double=True, dueling=True)
    model.learn(60)
    batch = model._sample(8)
    auxiliary, twin = model.auxiliary, model.auxiliary_target
    assert auxiliary is not None and twin is not None and auxiliary.shared is not None and twin.shared is not None
    model.policy.optimizer.zero_grad()
    model._backward(batch)
    parameters = [*model.q_net.parameters(), *auxiliary.parameters()]
    found = [parameter.grad.clone() for parameter in parameters]
    model.policy.optimizer.zero_grad()
    maps = model.q_net.maps(batch.observations)
    ahead = model.q_net_target.maps(batch.next_observations)
    online = View(maps, model.q_net.trunk.features(maps))
    seen = model._compact_replay.sequences(batch.rows, batch.at, n_steps)
    last = View(ahead, model.q_net_target.trunk.features(ahead))
    loss = model._td_loss(batch, model.q_net(batch.observations), model.q_net_target)[0]
    (loss + 0.3 * auxiliary.shared.loss(online, last, twin.shared, seen)).backward()
    for parameter, gradient in zip(parameters, found, strict=True):
        th.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-6)


def test_every_task_learns_alone_and_with_others() -> None:
    """Heads change, target heads follow, and every figure is told."""
    for shared in (True, False):
        model = agent(shared=shared)
        assert model.auxiliary is not None and model.auxiliary_target is not None
        before = {key: tensor.clone() for key, tensor in model.auxiliary.state_dict().items()}
        target = {key: tensor.clone() for key, tensor in model.auxiliary_target.state_dict().items()}
        model.learn(120, log_interval=None)
        for state, old in ((model.auxiliary.state_dict(), before), (model.auxiliary_target.state_dict(), target)):
            assert all(not th.equal(tensor, old[key]) for key, tensor in state.items())
        model._record_auxiliary()
        told = model.logger.name_to_value
        for task in TASKS:
            for figure in ("loss", "weight", "gradient_norm", "agent_gradient_norm", "gradient_cosine"):
                assert np.isfinite(told[f"auxiliary/{task}/{figure}"])
            assert abs(told[f"auxiliary/{task}/gradient_cosine"]) <= 1.0 + 1e-6
        assert {"auxiliary/pixel_control/explained_variance", "auxiliary/reward_prediction/accuracy"} <= set(told)
        assert told["auxiliary/pixel_control/explained_variance"] <= 1.0
        for name, height, width in (("change", 4 * 4 - 1, 2 * 4 + 1), ("explained_variance", 3, 4)):
            picture = told[f"auxiliary/pixel_control/{name}_map"]  # four actions, 3x4 cells
            assert isinstance(picture, Image) and picture.image.shape == (8 * height, 8 * width, 3)


@pytest.mark.parametrize("shared", [True, False])
def test_gradients_can_be_held_within_a_ratio(shared: bool) -> None:
    model = agent(pixel_weight=100.0, feature_weight=100.0, reward_weight=100.0, gradient_ratio=0.25, shared=shared)
    model.learn(80)
    assert model.auxiliary is not None
    figures = model.auxiliary.figures()
    for task in TASKS:
        assert figures[f"{task}/gradient_norm"] <= 0.25 * figures[f"{task}/agent_gradient_norm"] * 1.0001
        assert figures[f"{task}/weight"] < 100.0
    light = agent(("pixel_control",), pixel_weight=1e-6, gradient_ratio=0.25, shared=shared)
    light.learn(80)
    assert light.auxiliary is not None and light.auxiliary.figures()["pixel_control/weight"] == 1e-6


def test_acting_does_not_ask_the_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    model = agent()
    monkeypatch.setattr(PixelControl, "values", lambda *args: pytest.fail("a head was asked"))
    model.predict(np.zeros((2, STACK, 14, 18), np.uint8), deterministic=True)
    assert not any("streams" in key for key in model.policy.state_dict())


def test_pixel_rewards_are_not_scaled_with_the_agents() -> None:
    """reward.scale is for the agent's rewards; the same frames are the same pseudo-rewards."""
    found = []
    for scale in (1.0, 100.0):
        model = agent(("pixel_control",), scale=scale)
        model.learn(30)
        assert model.auxiliary is not None and model.auxiliary.shared is not None
        replay = model._compact_replay
        seen = replay.sequences(np.zeros(10, np.int64), np.arange(10) % 7, 3)
        found.append(model.auxiliary.shared.rewards(seen))
    th.testing.assert_close(*found)


def test_the_target_network_judges_and_stays_in_evaluation_mode() -> None:
    model = agent(("pixel_control",))
    model.learn(60)
    assert model.auxiliary_target is not None and model.auxiliary_target.shared is not None
    assert not model.q_net_target.training
    assert not any(parameter.requires_grad for parameter in model.auxiliary_target.parameters())
    batch, losses = model._sample(8), []
    for shift in (0.0, 3.0):
        with th.no_grad():
            model.auxiliary_target.shared.streams.bias += shift
        model._backward(batch)
        assert model.auxiliary is not None
        losses.append(model.auxiliary.figures()["pixel_control/mean_target"])
    going_on = (1 - batch.dones).mean().item()
    assert losses[1] - losses[0] == pytest.approx(0.9 * 3.0 * going_on, rel=1e-4)


def test_saved_and_loaded_heads_are_the_same(tmp_path: Path) -> None:
    model = agent()
    model.learn(60)
    model.save(tmp_path / "model")
    again = DQN.load(tmp_path / "model", env=envs(), device="cpu")
    assert model.auxiliary is not None and again.auxiliary is not None
    for key, tensor in model.auxiliary.state_dict().items():
        th.testing.assert_close(again.auxiliary.state_dict()[key], tensor)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "task": ({"tasks": ["pixel_contro"]}, "unknown auxiliary task 'pixel_contro': did you mean 'pixel_control'"),
    "cells": ({"tasks": ["pixel_control"], "pixel_cell": 15}, "cells of 15x15 pixels are not in frames of 14x18"),
    "head": ({"tasks": ["pixel_control"], "pixel_head": "top"}, "on the trunk's map or features, got 'top'"),
    "steps": ({"steps": 0}, "agent.auxiliary.steps must be at least 1, got 0"),
    "discount": ({"pixel_discount": 1.1}, "agent.auxiliary.pixel_discount must be from 0 to 1"),
    "ratio": ({"gradient_ratio": 0.0}, "agent.auxiliary.gradient_ratio must be above 0 or null"),
}


@pytest.mark.parametrize("mistake", list(REFUSED))
def test_settings_that_are_not_possible_are_told(mistake: str) -> None:
    changes, message = REFUSED[mistake]
    with pytest.raises(UsageError, match=message):
        build_agent(DQNConfig(auxiliary=AuxiliaryConfig(**changes)), envs(), seed=0, device="cpu", masked=False)


def test_agents_without_pictures_have_no_tasks() -> None:
    config = DQNConfig(auxiliary=AuxiliaryConfig(tasks=["pixel_control"]))
    flat = VecEnvAdapter(SyncVectorEnv([toys.Toy], autoreset_mode=AutoresetMode.SAME_STEP))
    with pytest.raises(UsageError, match="auxiliary tasks are for agents that see pictures"):
        build_agent(config, flat, seed=0, device="cpu", masked=False)


def test_the_replay_is_as_small_with_tasks() -> None:
    model = agent()
    assert isinstance(model.replay_buffer, CompactReplay)
    assert model.replay_buffer.ring.frames.shape == (2, 150, 1, 14, 18)
    assert isinstance(model.auxiliary, Auxiliaries) and model.auxiliary.lookback == 2
