"""What stands still after an episode's end is known as that, and worth the same whatever it looks like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from numpy.typing import NDArray

from rewards.people import ACTIONS, LENGTH, OBSERVATIONS, WIDTH, make_segment, new_store
from rlkit.rewards.answers import Answer
from rlkit.rewards.fit import fit
from rlkit.rewards.inputs import Inputs
from rlkit.rewards.labels import LabelSet
from rlkit.rewards.loop import PreferenceLoop
from rlkit.rewards.model import RewardModel, load_reward, save_reward
from rlkit.rewards.segments import Segment, stack
from rlkit.rewards.settings import ModelConfig

FAR = 1e3  # what is seen at an end, which is not to count as usual


def ended(rng: np.random.Generator, still: int) -> Segment:
    """An episode that ends in the segment, or before it; to live is worth 1 a step, and an end looks like any step."""
    plain = make_segment(rng)
    rewards = (np.arange(LENGTH) < LENGTH - still).astype(np.float32)
    return replace(plain, rewards=rewards, ended=still > 0, still=still)


def taught(folder: Path, pairs: int = 20, **settings: Any) -> tuple[RewardModel, LabelSet]:
    """A model of a few answers, each for the segment that lives longer."""
    store, rng = new_store(folder), np.random.default_rng(0)
    for number in range(pairs):
        segments = [ended(rng, int(still)) for still in rng.choice(LENGTH + 1, 2, replace=False)]
        better = Answer.FIRST if segments[0].still < segments[1].still else Answer.SECOND
        pair = store.add_pair(f"{number}", *map(store.add_segment, segments), swapped=False)
        store.record(f"{number}", pair, better, "ann")
    model = RewardModel(OBSERVATIONS, ACTIONS, ModelConfig(**settings), seed=0)
    labels = LabelSet(store, model, seed=0)
    labels.update(store.newest())
    fit(model, labels)
    return model, labels


def steps(n: int = 200, seed: int = 9) -> tuple[NDArray[Any], NDArray[Any]]:
    batch = stack([make_segment(np.random.default_rng([seed, i]), 1) for i in range(n)])
    return batch.observations[:, 0], batch.actions[:, 0]


@pytest.mark.parametrize("crop", [1.0, 0.3])
def test_few_answers_teach_that_standing_still_is_worse_wherever_it_is(crop: float, tmp_path: Path) -> None:
    model, _ = taught(tmp_path, crop=crop)
    alive, over = model.predict(*steps()), model.predict(*steps(), np.ones(200, np.bool_))
    assert (over == over[0]).all()  # never seen, and worth the same
    assert (over[0] < alive).mean() > 0.95


def test_an_end_adds_the_worth_of_what_it_shows_once_and_then_of_standing_still(tmp_path: Path) -> None:
    model, _ = taught(tmp_path)
    loop: Any = SimpleNamespace(model=model, after=50.0, first_after=0.9)
    (observations, actions), (last, _) = steps(), steps(seed=10)
    ends = np.arange(200) % 3 == 0
    added = PreferenceLoop.rewards_of(loop, observations, actions, ends, last) - model.predict(observations, actions)
    worth = 0.9 * model.predict(last, actions) + 49.1 * float(model.predict(*steps(1), np.ones(1, np.bool_))[0])
    np.testing.assert_allclose(added[ends], worth[ends], rtol=1e-4)
    assert not added[~ends].any()


def test_labels_segments_and_steps_are_told_alike(tmp_path: Path) -> None:
    model, labels = taught(tmp_path)
    batch = stack([ended(np.random.default_rng(still), still) for still in range(LENGTH + 1)])
    flat = batch.observations.reshape(-1, WIDTH), batch.actions.reshape(-1, 2)
    members = model.rewards(model.inputs.read(*flat, batch.over.ravel())).reshape(model.config.members, -1, LENGTH)
    np.testing.assert_allclose(model.returns(batch), members.sum(2), rtol=1e-4)
    pairs = [labels._store.pair(label.pair) for label in labels._store.labels()]
    stills = [[labels._store.segment(side).still for side in (pair.first, pair.second)] for pair in pairs]
    np.testing.assert_array_equal(labels.numbers[labels.rows(), ..., -1].sum(2), stills)


def test_what_is_usual_is_what_was_lived(tmp_path: Path) -> None:
    model, labels = taught(tmp_path)
    lived = labels.numbers[labels.rows()].reshape(-1, labels.numbers.shape[-1])
    far = np.where(lived[:, -1:] == 1.0, FAR, lived)
    far[:, -1] = lived[:, -1]
    for numbers in (far, far[far[:, -1] == 1.0]):  # where nothing was lived, nothing is changed
        model.set_scale(numbers)
        scaled = model.scaled(model.tensors(model.inputs.read(*steps(2000)))[0])
        assert abs(model._mean.numpy()).max() < 1.0 and np.isfinite(scaled.numpy()).all()


def test_pictures_and_numbers_of_an_end_are_blank() -> None:
    camera = spaces.Box(0, 255, (10, 10, 3), np.uint8)
    inputs = Inputs(spaces.Dict(camera=camera, joints=OBSERVATIONS, mode=spaces.Discrete(3)), spaces.Discrete(2))
    seen = {"camera": np.full((2, 4, 10, 10, 3), 9, np.uint8), "joints": np.ones((2, 4, 4)), "mode": np.ones((2, 4))}
    over = np.arange(4) >= np.array([[2], [4]])
    numbers, (pictures,) = inputs.read(seen, np.ones((2, 4), np.int64), over)
    np.testing.assert_array_equal(numbers[..., -1], over)
    assert not numbers[over, :-1].any() and not pictures[over].any()
    assert (numbers[~over].sum(1) == 6.0).all() and (pictures[~over] == 9).all()
    assert (seen["camera"] == 9).all()


def test_a_saved_reward_knows_of_ends_and_an_older_one_is_refused(tmp_path: Path) -> None:
    model, _ = taught(tmp_path)
    save_reward(tmp_path / "reward", model)
    over = np.arange(200) % 2 == 0
    np.testing.assert_array_equal(
        load_reward(tmp_path / "reward").predict(*steps(), over), model.predict(*steps(), over)
    )
    described = tmp_path / "reward" / "reward.json"
    described.write_text(described.read_text().replace('"format": 2', '"format": 1'))
    with pytest.raises(ValueError, match="format 1"):
        load_reward(tmp_path / "reward")
