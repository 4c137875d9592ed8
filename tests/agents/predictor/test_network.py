"""Networks of an ensemble, and what they learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch as th

from rlkit.agents.predictor.learner import draw_bags, set_confidence
from rlkit.agents.predictor.model import Head
from rlkit.agents.predictor.network import ACTIVATIONS, EnsembleNetwork
from rlkit.errors import UsageError


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_batched_ensemble_equals_a_loop_of_single_networks(activation: str) -> None:
    generator = th.Generator().manual_seed(1)
    network = EnsembleNetwork(4, 19, 2, [50] * 5, activation, generator)
    same, own = th.randn(33, 19, generator=generator), th.randn(4, 33, 19, generator=generator)
    for inputs in (same, own):
        outputs = network(inputs)
        assert outputs.shape == (4, 33, 2)
        for k in range(4):
            with th.no_grad():
                expected = network.member(k)(inputs if inputs.ndim == 2 else inputs[k])
            assert (outputs[k] - expected).abs().max() < 1e-6 * max(1.0, expected.abs().max().item())


def test_a_members_gradient_is_its_own() -> None:
    network = EnsembleNetwork(3, 5, 1, [8], "tanh", th.Generator().manual_seed(2))
    network(th.ones(7, 5))[1].square().sum().backward()
    for weight in network.weights:
        assert weight.grad is not None
        assert weight.grad[1].abs().sum() > 0
        assert weight.grad[[0, 2]].abs().sum() == 0


def test_members_begin_apart() -> None:
    network = EnsembleNetwork(2, 5, 1, [8], "sigmoid", th.Generator().manual_seed(3))
    assert not th.equal(network.weights[0][0], network.weights[0][1])


@pytest.mark.parametrize("wrong", [{"activation": "sigmoidal"}, {"widths": []}, {"widths": [50, 0]}])
def test_shapes_that_cannot_be(wrong: dict) -> None:
    arguments = {"activation": "tanh", "widths": [8], **wrong}
    with pytest.raises(UsageError, match="activation|net_arch"):
        EnsembleNetwork(2, 3, 1, **arguments)


def _toy(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A cube and a product: what a straight line cannot be."""
    x = rng.uniform(-3.0, 5.0, (n, 3)).astype(np.float32)
    return x, (1.2 + 0.002 * x[:, :1] ** 3 + 0.01 * x[:, 1:2] * x[:, 2:3]).astype(np.float32)


def test_learning_gets_below_linear_regression_on_a_toy() -> None:
    rng = np.random.default_rng(4)
    (x, y), (x_test, y_test) = _toy(4000, rng), _toy(1000, rng)
    head = Head(3, 3, 1, [16, 16], "tanh", th.Generator().manual_seed(4))
    head.set_scales(x, y)
    optimizer = th.optim.Adam(head.network.parameters(), 1e-2)
    for _ in range(400):
        rows = rng.integers(len(x), size=(3, 128))
        error = head.network(head.scaled(th.from_numpy(x[rows]))) - head.scaled_targets(th.from_numpy(y[rows]))
        optimizer.zero_grad()
        error.square().mean().backward()
        optimizer.step()
    fit, *_ = np.linalg.lstsq(np.c_[x, np.ones(len(x))], y, rcond=None)
    linear = np.abs(np.c_[x_test, np.ones(len(x_test))] @ fit - y_test).mean()
    assert np.abs(head.predict(x_test).mean - y_test).mean() < 0.3 * linear


def test_scales_put_the_training_data_between_minus_one_and_one_and_ignore_constants() -> None:
    x = np.array([[2.0, 7.0], [4.0, 7.0], [3.0, 7.0]], np.float32)
    head = Head(2, 2, 2, [4], "tanh")
    head.set_scales(x, x)
    assert head.scaled(th.from_numpy(x))[:, 0].tolist() == [-1.0, 1.0, 0.0]
    assert head.scaled(th.tensor([[3.0, 99.0]]))[0].tolist() == [0.0, 0.0]
    assert (head.predict(x).mean[:, 1] == 7.0).all()


def test_bags_are_whole_days_and_tell_what_a_member_has_not_seen() -> None:
    day = np.repeat(np.arange(30), 12)
    bags, absent = draw_bags(day, 5, np.random.default_rng(5))
    assert bags.shape[0] == absent.shape[0] == 5
    for member in range(5):
        rows, counts = np.unique(bags[member].numpy(), return_counts=True)
        assert not absent[member, rows].any()
        missing = np.bincount(day, weights=absent[member])
        assert set(missing) <= {0.0, 12.0}
        assert 0.2 < absent[member].mean() < 0.6  # (1 - 1/n)^n tends to 0.37
        assert counts.max() > 1


def test_intervals_hold_what_they_promise_where_errors_are_noise() -> None:
    rng = np.random.default_rng(6)
    x, y = _toy(5000, rng)
    head = Head(4, 3, 1, [8], "tanh", th.Generator().manual_seed(6))
    head.set_scales(x, y)
    said = head.predict(x).mean + rng.normal(0.0, 1.0, y.shape).astype(np.float32)
    set_confidence(head, x, said, np.ones((4, len(x)), np.bool_))
    sigma = head.predict(x).sigma[:, 0]
    inside = np.abs(head.predict(x).mean[:, 0] - said[:, 0]) <= 1.96 * sigma
    assert (sigma >= head.predict(x).spread[:, 0]).all()
    assert inside.mean() == pytest.approx(0.95, abs=0.01)
    assert (head.predict(x).spread[:, 0] <= head.spread_limit[0].item()).mean() == pytest.approx(0.99, abs=0.002)
