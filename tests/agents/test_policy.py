"""A policy's two files, what is asked of it, and spaces as JSON."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

import rlkit
from rlkit.agents.policy import Policy, load_policy
from rlkit.agents.spaces import channels_first, space_from_json, space_to_json
from rlkit.envs.negotiation.partners import Opponent, Turns
from rlkit.errors import UsageError

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"]
FLOATS = ["float32", "float64"]


@st.composite
def boxes(draw: st.DrawFn) -> spaces.Box:
    dtype = np.dtype(draw(st.sampled_from(INTEGERS + FLOATS)))
    shape = tuple(draw(st.lists(st.integers(1, 3), max_size=3)))
    if dtype.kind == "f":
        ends = st.floats(-1e6, 1e6, width=32)
        low = np.array(draw(st.lists(ends, min_size=int(np.prod(shape)), max_size=int(np.prod(shape)))))
        low = low.reshape(shape).astype(dtype)
        if draw(st.booleans()):
            return spaces.Box(low, np.full(shape, np.inf, dtype), shape, dtype)
        return spaces.Box(low, low + dtype.type(1.5), shape, dtype)
    info = np.iinfo(dtype)
    ends = sorted(draw(st.tuples(st.integers(info.min, info.max), st.integers(info.min, info.max))))
    return spaces.Box(ends[0], ends[1], shape, dtype)


SIMPLE = st.one_of(
    boxes(),
    st.builds(lambda n, start: spaces.Discrete(n, start=start), st.integers(1, 500), st.integers(-5, 5)),
    st.lists(st.integers(1, 9), min_size=1, max_size=4).map(spaces.MultiDiscrete),
    st.one_of(st.integers(1, 9), st.lists(st.integers(1, 4), min_size=1, max_size=3)).map(spaces.MultiBinary),
)
SPACES = st.one_of(
    SIMPLE, st.dictionaries(st.text("abc_", min_size=1), SIMPLE, min_size=1, max_size=3).map(spaces.Dict)
)


@settings(max_examples=150, deadline=None)
@given(space=SPACES)
def test_spaces_come_back_from_json(space: spaces.Space[Any]) -> None:
    text = json.dumps(space_to_json(space))
    again = space_from_json(json.loads(text))
    assert again == space
    assert again.dtype == space.dtype and again.shape == space.shape
    assert space_to_json(again) == space_to_json(space)


def test_bounds_that_are_all_the_same_are_one_number() -> None:
    assert space_to_json(spaces.Box(0, 255, (84, 84, 3), np.uint8))["high"] == 255
    assert len(json.dumps(space_to_json(spaces.Box(0, 1, (1000,), np.float32)))) < 100


def test_spaces_that_cannot_be_saved_are_told() -> None:
    for space in (spaces.Text(4), spaces.Tuple([spaces.Discrete(2)]), spaces.Dict(a=spaces.Text(3))):
        with pytest.raises(UsageError, match="spaces cannot be saved"):
            space_to_json(space)


def test_networks_see_channels_first() -> None:
    last, first = spaces.Box(0, 255, (36, 40, 3), np.uint8), spaces.Box(0, 255, (3, 36, 40), np.uint8)
    assert channels_first(last) == first
    assert channels_first(first) == first
    numbers = spaces.Box(-1, 1, (5,), np.float32)
    assert channels_first(spaces.Dict(a=last, b=numbers)) == spaces.Dict(a=first, b=numbers)


@pytest.fixture(scope="module")
def bargainer(negotiation_run: Path) -> Policy:
    return load_policy(negotiation_run)


@pytest.fixture(scope="module")
def balancer(cartpole_run: Path) -> Policy:
    return load_policy(cartpole_run)


def observations(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, 93), dtype=np.float32)


def test_loads_from_a_run_and_from_its_policy_folder(negotiation_run: Path, bargainer: Policy, tmp_path: Path) -> None:
    """The latter is what is shared: it needs nothing else of the run."""
    shutil.copytree(negotiation_run / "policy", tmp_path / "elsewhere")
    for path in (negotiation_run, negotiation_run / "policy", str(tmp_path / "elsewhere")):
        policy = rlkit.load_policy(path)
        np.testing.assert_array_equal(policy.predict(observations(9)), bargainer.predict(observations(9)))
    assert (bargainer.agent, bargainer.env_id) == ("ppo", "rlkit/Negotiation-v0")
    assert bargainer.description["steps"] == 2560
    assert bargainer.observation_space.shape == (93,) and bargainer.action_space == spaces.Discrete(121)


def test_one_observation_or_many(bargainer: Policy) -> None:
    many = bargainer.predict(observations(7))
    assert many.shape == (7,)
    assert [int(bargainer.predict(observation)) for observation in observations(7)] == many.tolist()
    mask = np.zeros(121, dtype=bool)
    mask[[5, 70]] = True
    assert int(bargainer.predict(observations(1)[0], mask)) in (5, 70)
    assert set(bargainer.predict(observations(50), mask).tolist()) <= {5, 70}  # one mask for all


def test_lists_and_other_numbers_are_observations_too(bargainer: Policy) -> None:
    expected = bargainer.predict(observations(3))
    np.testing.assert_array_equal(bargainer.predict(observations(3).tolist()), expected)
    np.testing.assert_array_equal(bargainer.predict(observations(3).astype(np.float64)), expected)


def test_drawing_follows_the_policys_distribution(bargainer: Policy) -> None:
    """Among legal actions, in proportion to their probabilities; the generator decides alone."""
    observation, mask = observations(1)[0], np.zeros(121, dtype=bool)
    mask[[3, 40, 90]] = True
    repeated = np.tile(observation, (20_000, 1))
    drawn = bargainer.predict(repeated, mask, np.random.default_rng(1))
    scores = bargainer._scores(observation[None])[0][mask]
    expected = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    found = np.array([(drawn == action).mean() for action in (3, 40, 90)])
    np.testing.assert_allclose(found, expected, atol=0.015)
    again = bargainer.predict(repeated, mask, np.random.default_rng(1))
    np.testing.assert_array_equal(drawn, again)


def test_agents_of_values_always_take_the_best(balancer: Policy) -> None:
    states = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    drawn = balancer.predict(states, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(drawn, balancer.predict(states))


def test_is_an_opponent(bargainer: Policy) -> None:
    assert isinstance(bargainer, Opponent)
    masks = np.zeros((4, 121), dtype=bool)
    masks[np.arange(4), [1, 2, 3, 120]] = True
    turns = Turns(observations(4), masks, np.arange(4), np.zeros(4))
    assert bargainer.act(turns).tolist() == [1, 2, 3, 120]


WRONG: dict[str, tuple[Any, Any, str]] = {
    "too short": (np.zeros(92, np.float32), None, r"shape \(93,\) or \(n, 93\), got float32 of shape \(92,\).*Negotia"),
    "too deep": (np.zeros((2, 2, 93), np.float32), None, r"got float32 of shape \(2, 2, 93\)"),
    "a number": (1.5, None, r"must be numbers of shape \(93,\)"),
    "text": ("observation", None, "must be numbers"),
    "None": (None, None, "must be numbers"),
    "NaN": (np.full(93, np.nan, np.float32), None, "must be finite, got NaN or infinity"),
    "infinity": (np.full((2, 93), np.inf, np.float32), None, "must be finite"),
    "mask of another width": (np.zeros((2, 93), np.float32), np.ones(120, bool), r"mask must have shape \(2, 121\)"),
    "masks of another number": (np.zeros((2, 93), np.float32), np.ones((3, 121), bool), r"got \(3, 121\)"),
    "nothing legal": (np.zeros((2, 93), np.float32), np.eye(2, 121, 1, bool) * [[1], [0]], "no legal action in row 1"),
}


@pytest.mark.parametrize("mistake", list(WRONG))
def test_wrong_observations_and_masks_are_told(mistake: str, bargainer: Policy) -> None:
    obs, mask, message = WRONG[mistake]
    with pytest.raises(UsageError, match=message):
        bargainer.predict(obs, mask)


def test_dictionaries_are_checked_part_by_part(tmp_path: Path) -> None:
    from gymnasium.vector import AutoresetMode, SyncVectorEnv

    import toys
    from rlkit.agents import AGENTS, build_agent
    from rlkit.agents.policy import save_policy
    from rlkit.agents.vecenv import VecEnvAdapter

    envs = VecEnvAdapter(SyncVectorEnv([toys.Mixed], autoreset_mode=AutoresetMode.SAME_STEP))
    config = AGENTS["a2c"].config(net_arch=[8])
    save_policy(
        tmp_path, build_agent(config, envs, seed=0, device="cpu", masked=False), config, env_id="m", masked=False
    )
    policy = load_policy(tmp_path)
    good = {"camera": np.zeros((2, 36, 40, 3), np.uint8), "joints": np.zeros((2, 5), np.float32)}
    assert policy.predict(good).shape == (2,)
    with pytest.raises(UsageError, match="must be a dictionary of camera, joints, got ndarray"):
        policy.predict(good["joints"])
    with pytest.raises(UsageError, match=r"dictionary of camera, joints, got \['camera'\]"):
        policy.predict({"camera": good["camera"]})
    with pytest.raises(UsageError, match=r"observations\['joints'\] must be numbers of shape \(5,\)"):
        policy.predict({**good, "joints": np.zeros((2, 4))})
    with pytest.raises(UsageError, match="of one environment, or of as many environments"):
        policy.predict({**good, "joints": np.zeros((3, 5))})
    with pytest.raises(UsageError, match=r"observations\['joints'\] must be finite"):
        policy.predict({**good, "joints": np.full((2, 5), np.nan)})


def test_masks_are_for_discrete_actions(tmp_path: Path) -> None:
    from commands import run

    settings = ["env=gym", "env.id=Pendulum-v1", "agent=sac", "steps=60", "agent.learning_starts=50", "eval_every=0"]
    run("train", *settings, "agent.net_arch=[8]", "evaluate=false", "run_dir=run", folder=tmp_path)
    policy = load_policy(tmp_path / "run")
    actions = policy.predict(np.zeros((4, 3), np.float32))
    assert actions.shape == (4, 1) and policy.predict(np.zeros(3, np.float32)).shape == (1,)
    for extra in ({"mask": np.ones(1, bool)}, {"rng": np.random.default_rng(0)}):
        with pytest.raises(UsageError, match="mask and rng are for Discrete actions"):
            policy.predict(np.zeros(3, np.float32), **extra)


def test_no_policy_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no policy in '.*nowhere'.*No such file.*Give a run folder"):
        load_policy(tmp_path / "nowhere")
    (tmp_path / "policy").mkdir()
    with pytest.raises(UsageError, match="no policy in"):
        load_policy(tmp_path)


def test_files_of_two_policies_do_not_go_together(negotiation_run: Path, cartpole_run: Path, tmp_path: Path) -> None:
    shutil.copytree(negotiation_run / "policy", tmp_path / "policy")
    shutil.copy(cartpole_run / "policy" / "weights.safetensors", tmp_path / "policy")
    with pytest.raises(UsageError, match="is damaged: weights.safetensors and policy.json do not have the sha256"):
        load_policy(tmp_path)
