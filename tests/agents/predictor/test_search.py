"""The search: limits, doubt, fallback, on a model that is known; and on the real environment."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch as th

from rlkit.agents.predictor.model import Prediction, load_predictor
from rlkit.agents.predictor.search import SearchController, SearchSettings
from rlkit.errors import UsageError

LOW, HIGH = np.array([14.0, 0.2]), np.array([30.0, 1.0])


class Halls:
    """Two halls with two setpoints: supply air and airflow, in engineering units."""

    num_envs = 2
    setup = SimpleNamespace(action_bounds=lambda: (LOW, HIGH))

    def default_actions(self) -> np.ndarray:
        return np.array([[18.0, 0.6]] * 2)

    def decode_actions(self, actions: Any) -> np.ndarray:
        return np.asarray(actions, dtype=np.float64)

    encode_actions = decode_actions

    def observe(self) -> tuple[np.ndarray, dict[str, Any]]:
        return np.zeros((2, 1)), {}

    def decode_observations(self, observations: Any) -> np.ndarray:
        return np.asarray(observations)


class Toy:
    """Warmer and slower is cheaper; the inlet is the supply air and half a kelvin; unsure beyond some airflow."""

    def __init__(self, sure_from: float = 0.0, offset_k: float = 0.5, sigma_k: float = 0.1) -> None:
        self.sure_from, self.offset_k, self.sigma_k = sure_from, offset_k, sigma_k
        self.highest = HIGH.copy()
        self.heads = {"ahead": SimpleNamespace(spread_limit=th.ones(5))}

    def tried(self) -> tuple[np.ndarray, np.ndarray]:
        return LOW, self.highest

    def hour_ahead(self, observed: np.ndarray, setpoints: np.ndarray) -> Prediction:
        supply, airflow = setpoints.T
        power = 1000.0 - 10.0 * supply + 100.0 * airflow**3
        inlet, pressure = supply + self.offset_k, 20.0 * (airflow - 0.4)
        mean = np.stack([power / 800.0, power, inlet, inlet, pressure], axis=1)
        spread = np.where(airflow[:, None] < self.sure_from, 2.0, 0.5) * np.ones((1, 5))
        sigma = np.full_like(mean, self.sigma_k)
        return Prediction(mean.astype(np.float32), spread.astype(np.float32), sigma.astype(np.float32))


def _run(controller: SearchController, steps: int = 40) -> np.ndarray:
    halls = Halls()
    controller.reset(halls, np.ones(2, np.bool_))
    return np.array([controller.act(halls) for _ in range(steps)])


def test_it_goes_to_the_cheapest_setpoints_that_keep_the_limits() -> None:
    done = _run(SearchController(Toy()))
    supply, airflow = done[-1].T
    assert (done[:, :, 0] + 0.5 + 2 * 0.1 <= 27.0 + 1e-4).all()
    assert (20.0 * (done[:, :, 1] - 0.4) - 2 * 0.1 >= -1e-4).all()
    assert (supply > 25.8).all() and (airflow < 0.43).all()


@pytest.mark.parametrize("caution", [0.0, 5.0])
def test_caution_keeps_away_from_the_limit(caution: float) -> None:
    done = _run(SearchController(Toy(sigma_k=0.2), SearchSettings(caution=caution, least_pressure_pa=None)))
    assert done[-1, :, 0].max() <= 26.5 - 0.2 * caution + 1e-4
    assert done[-1, :, 0].min() > 26.0 - 0.2 * caution


def test_what_the_members_disagree_on_is_not_done() -> None:
    controller = SearchController(Toy(sure_from=0.5))
    done = _run(controller)
    assert done[:, :, 1].min() >= 0.5
    assert controller.dropped["doubt"] > 0
    assert _run(SearchController(Toy(sure_from=0.5), SearchSettings(trust=10.0)))[:, :, 1].min() < 0.5


def test_what_has_not_been_tried_is_not_done_though_the_members_agree() -> None:
    toy = Toy()
    toy.highest[0] = 22.0
    assert _run(SearchController(toy))[:, :, 0].max() <= 22.0 + 1e-4


def test_the_rule_controller_acts_where_nothing_is_left() -> None:
    class Rule:
        resets = 0

        def reset(self, envs: Any, rows: np.ndarray) -> None:
            Rule.resets += 1

        def act(self, envs: Any) -> np.ndarray:
            return np.array([[16.0, 0.9]] * 2)

    controller = SearchController(Toy(offset_k=20.0), fallback=Rule())
    done = _run(controller, 8)
    assert np.allclose(done[0], [[16.4, 0.68]])  # a tenth of 16 K, and of 0.8
    assert np.allclose(done[-1], [[16.0, 0.9]])
    assert controller.fallbacks == controller.decisions == 16
    assert controller.dropped["limits"] == 16 * controller.settings.candidates
    assert Rule.resets == 1


def test_setpoints_move_by_no_more_than_the_limit_and_not_for_nothing() -> None:
    done = _run(SearchController(Toy(), SearchSettings(move=0.02)))
    steps = np.abs(np.diff(np.concatenate([np.array([[[18.0, 0.6]] * 2]), done]), axis=0))
    assert (steps <= 0.02 * (HIGH - LOW) + 1e-4).all()
    assert np.allclose(_run(SearchController(Toy(), SearchSettings(saving=0.5))), [18.0, 0.6])


def test_settings_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="did you mean 'power'"):
        SearchSettings(objective="powr")
    with pytest.raises(UsageError, match="candidates"):
        SearchSettings(candidates=1)
    with pytest.raises(UsageError, match="move"):
        SearchSettings(move=0.0)


def test_it_runs_the_environment_and_halls_do_not_see_each_other(predictor_run: Path) -> None:
    """A trained predictor, its doubt and caution off: setpoints move, within limits, and alike in like halls."""
    predictor = load_predictor(predictor_run)
    settings = SearchSettings(trust=1e9, caution=0.0, least_pressure_pa=None, inlet_c=(0.0, 60.0))
    envs: Any = gymnasium.make_vec(
        "rlkit/DataCenterCooling-v0",
        num_envs=2,
        vectorization_mode="vector_entry_point",
        autoreset_mode="same_step",
        plant="two_zone",
    )
    envs.reset(seed=[4, 4])
    controller = SearchController(predictor, settings)
    controller.reset(envs, np.ones(2, np.bool_))
    moved = False
    for _ in range(10):
        actions = controller.act(envs)
        assert envs.action_space.contains(actions)
        moved |= bool(np.abs(actions - envs.default_actions()).max() > 0.01)
        envs.step(actions)
    assert moved
    assert controller.fallbacks == 0
