"""Any observation and action becomes numbers and pictures, the same however a replay keeps it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from rlkit.errors import UsageError
from rlkit.rewards.inputs import Inputs
from rlkit.rewards.model import RewardModel
from rlkit.rewards.settings import ModelConfig

BOX = spaces.Box(-1.0, 1.0, (3,), np.float32)
PICTURE = spaces.Box(0, 255, (36, 40, 3), np.uint8)
SPACES: dict[str, tuple[spaces.Space[Any], int, int]] = {  # the width of its numbers, how many pictures
    "box": (BOX, 3, 0),
    "table": (spaces.Box(-1.0, 1.0, (2, 3), np.float64), 6, 0),
    "discrete": (spaces.Discrete(5, start=-2), 5, 0),
    "digits": (spaces.MultiDiscrete([2, 3]), 5, 0),
    "bits": (spaces.MultiBinary(4), 4, 0),
    "picture": (PICTURE, 0, 1),
    "stack": (spaces.Box(0, 255, (4, 84, 84), np.uint8), 0, 1),
    "small": (spaces.Box(0, 255, (10, 10, 4), np.uint8), 0, 1),
    "mixed": (spaces.Dict(camera=PICTURE, joints=BOX, more=spaces.Dict(mode=spaces.Discrete(2))), 5, 1),
}


def drawn(space: spaces.Space[Any], lead: tuple[int, ...]) -> Any:
    if isinstance(space, spaces.Dict):
        return {key: drawn(part, lead) for key, part in space.spaces.items()}
    space.seed(0)
    samples = np.array([space.sample() for _ in range(int(np.prod(lead)))])
    return samples.reshape(*lead, *(space.shape or ()))


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("action", [spaces.Discrete(4), spaces.Box(-1.0, 1.0, (2,), np.float32)])
def test_every_space_is_read_and_rewarded(name: str, action: spaces.Space[Any]) -> None:
    space, width, pictures = SPACES[name]
    inputs = Inputs(space, action)
    for lead in ((6,), (2, 3)):
        features = inputs.read(drawn(space, lead), drawn(action, lead))
        own = 4 if isinstance(action, spaces.Discrete) else 2
        assert features.numbers.shape == (*lead, width + own + 1) and features.numbers.dtype == np.float32
        assert [part.shape for part in features.pictures] == [(*lead, *shape) for shape in inputs.pictures]
        assert len(features.pictures) == pictures
        if len(lead) == 2:
            assert inputs.summary(features, np.array([3, 2])).shape == (2, inputs.summary_width)
    model = RewardModel(space, action, ModelConfig(members=2, net_arch=[8]), seed=0)
    rewards = model.rewards(inputs.read(drawn(space, (5,)), drawn(action, (5,))))
    assert rewards.shape == (2, 5) and np.isfinite(rewards).all() and (rewards[0] != rewards[1]).any()


def test_discrete_values_are_told_apart() -> None:
    inputs = Inputs(spaces.Discrete(3, start=5), spaces.MultiDiscrete([2, 2]))
    features = inputs.read(np.array([5, 7]), np.array([[0, 1], [1, 0]]))
    assert features.numbers.tolist() == [[1, 0, 0, 1, 0, 0, 1, 0], [0, 0, 1, 0, 1, 1, 0, 0]]
    assert not inputs.measured.any()


def test_pictures_of_a_replay_have_their_channels_first_already() -> None:
    inputs = Inputs(PICTURE, BOX)
    seen, done = drawn(PICTURE, (4,)), drawn(BOX, (4,))
    one, other = inputs.read(seen, done), inputs.read(np.moveaxis(seen, -1, 1), done)
    np.testing.assert_array_equal(one.pictures[0], other.pictures[0])


def test_a_summary_leaves_padding_out() -> None:
    inputs = Inputs(BOX, BOX)
    seen, done = drawn(BOX, (1, 4)), drawn(BOX, (1, 4))
    long = inputs.read(np.pad(seen, ((0, 0), (0, 3), (0, 0))), np.pad(done, ((0, 0), (0, 3), (0, 0))))
    short = inputs.read(seen, done)
    four = np.array([4])
    np.testing.assert_allclose(inputs.summary(long, four), inputs.summary(short, four), atol=1e-6)


def test_spaces_without_numbers_are_refused() -> None:
    with pytest.raises(UsageError, match="Text"):
        Inputs(spaces.Text(5), BOX)
