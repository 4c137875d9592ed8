"""The reward model finds a known reward, its gradient is right, and it goes on bit for bit."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch as th

from rewards.people import (
    ACTIONS,
    LENGTH,
    OBSERVATIONS,
    fitted_model,
    label_pairs,
    linear_reward,
    make_segment,
    new_store,
)
from rlkit.rewards import passes
from rlkit.rewards.answers import Answer
from rlkit.rewards.fit import fit, held_out_logits
from rlkit.rewards.labels import LabelSet
from rlkit.rewards.model import RewardModel
from rlkit.rewards.passes import L2_STEP, Comparisons, adapt_l2, scores, shuffled
from rlkit.rewards.segments import stack
from rlkit.rewards.settings import ModelConfig, TeacherConfig, paper_model
from runs import assert_same


def determination(model: RewardModel) -> float:
    """R² of the affine map from learned to true reward, on fresh segments."""
    batch = stack([make_segment(np.random.default_rng([9, i])) for i in range(200)])
    observations, actions = batch.observations.reshape(-1, 4), batch.actions.reshape(-1, 2)
    return float(np.corrcoef(model.predict(observations, actions), linear_reward(observations, actions))[0, 1] ** 2)


@pytest.mark.parametrize("config", [ModelConfig(), paper_model()], ids=["modern", "paper"])
def test_a_linear_reward_is_recovered_from_500_labels(tmp_path: Path, config: ModelConfig) -> None:
    config.epochs = 25
    model, labels = fitted_model(tmp_path, 500, **vars(config))
    assert len(labels) == 500 and determination(model) > 0.95


def test_shuffled_labels_teach_nothing(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    label_pairs(store, 1_000, teacher=TeacherConfig(name="mistake", mistake=0.5))
    model = RewardModel(OBSERVATIONS, ACTIONS, ModelConfig(epochs=10), seed=0)
    labels = LabelSet(store, model, seed=0)
    labels.update(store.newest())
    report = fit(model, labels)
    assert abs(report.held_out_accuracy - 0.5) < 0.12 and determination(model) < 0.3


def test_rewards_are_zero_before_the_first_fit_and_normalised_after_it(tmp_path: Path) -> None:
    fresh = RewardModel(OBSERVATIONS, ACTIONS, ModelConfig(), seed=0)
    batch = stack([make_segment(np.random.default_rng(i)) for i in range(50)])
    steps = batch.observations.reshape(-1, 4), batch.actions.reshape(-1, 2)
    assert not fresh.predict(*steps).any() and not fresh.spread(*steps).any()
    model, labels = fitted_model(tmp_path, 100, reward_std=0.05)
    lived = labels.features(labels.rows()).numbers.reshape(-1, 7)
    members = (model.rewards(labels.steps(10**9, None)) - model.reward_mean[:, None]) * model.reward_scale[:, None]
    np.testing.assert_allclose(members.mean(1), 0.0, atol=1e-4)
    np.testing.assert_allclose(members.std(1), 0.05, rtol=1e-3)
    np.testing.assert_allclose(model.predict(lived[:, :4], lived[:, 4:6]), members.mean(0), atol=1e-5)
    assert (model.spread(*steps) > 0).all()


def numpy_gradient(
    model: RewardModel, pairs: Any, task: Comparisons, member: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The gradient of one member's mean loss, written out: pairs (n, 2, steps, width) in standard deviations."""
    weights = [part.detach().numpy()[member].astype(np.float64) for part in model.network.weights]
    biases = [part.detach().numpy()[member, 0].astype(np.float64) for part in model.network.biases]
    d_weights, d_biases = [np.zeros_like(part) for part in weights], [np.zeros_like(part) for part in biases]
    lapse, lean, target = (part.numpy().astype(np.float64) for part in (task.lapses, task.to_first, task.targets))
    for number, both in enumerate(pairs):
        kept, sums = [], []
        for steps in both:
            hidden = [steps]
            for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
                raw = hidden[-1] @ weight + bias
                hidden.append(np.where(raw > 0, raw, 0.01 * raw))
            kept.append(hidden)
            sums.append((hidden[-1] @ weights[-1] + biases[-1]).sum())
        plain = 1.0 / (1.0 + np.exp(sums[1] - sums[0]))
        p = (1 - lapse[number]) * plain + lapse[number] * lean[number]
        d_sum = -(target[number] / p - (1 - target[number]) / (1 - p)) * (1 - lapse[number]) * plain * (1 - plain)
        for sign, hidden in zip((1.0, -1.0), kept, strict=True):
            delta = np.full((len(hidden[0]), 1), sign * d_sum / len(pairs))
            for layer in range(len(weights) - 1, -1, -1):
                d_weights[layer] += hidden[layer].T @ delta
                d_biases[layer] += delta.sum(0)
                delta = delta @ weights[layer].T * np.where(hidden[layer] > 0, 1.0, 0.01)
    return d_weights, d_biases


def test_the_gradient_is_that_of_bradley_and_terry_with_random_answers(tmp_path: Path) -> None:
    model, labels = fitted_model(tmp_path, 12, members=3, net_arch=[8, 5], crop=1.0)
    slots = labels.rows()
    rng = np.random.default_rng(0)
    tensors = (th.from_numpy(rng.uniform(*ends, 12).astype(np.float32)) for ends in ((0, 1), (0.1, 0.4), (0.2, 0.8)))
    drawn = np.ones((3, 12), np.int64)
    task = Comparisons(slots, labels.lengths[slots], drawn, 0.0 * drawn, *tensors)
    numbers = model.scaled(th.from_numpy(labels.numbers[slots])).reshape(-1, 7)
    sums = model.network.returns(numbers, (), LENGTH).view(3, 12, 2)
    model.network.zero_grad()
    task.losses(sums[..., 0] - sums[..., 1], slice(None)).mean(1).sum().backward()
    pairs = numbers.numpy().reshape(12, 2, LENGTH, 7).astype(np.float64)
    for member in range(3):
        d_weights, d_biases = numpy_gradient(model, pairs, task, member)
        for ours, theirs in ((model.network.weights, d_weights), (model.network.biases, d_biases)):
            for part, wanted in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(
                    part.grad[member].numpy().reshape(wanted.shape), wanted, rtol=2e-3, atol=1e-5
                )


def test_the_least_probability_of_an_answer_is_half_the_noise() -> None:
    """The paper's .9 p + .05, on either side."""
    ones = th.ones(2)
    task = Comparisons(*[np.zeros(2, np.int64)] * 4, th.tensor([1.0, 0.0]), 0.1 * ones, 0.5 * ones)  # type: ignore[arg-type]
    sure = task.losses(th.tensor([[-99.0, 99.0], [99.0, -99.0]]), slice(None))
    np.testing.assert_allclose(np.exp(-sure.numpy()), [[0.05, 0.05], [0.95, 0.95]], rtol=1e-5)


def test_random_answers_of_who_leans_left_say_little_of_the_left() -> None:
    ones = th.ones(2)
    task = Comparisons(*[np.zeros(2, np.int64)] * 4, th.tensor([1.0, 0.0]), 0.4 * ones, ones)  # type: ignore[arg-type]
    logits = th.zeros((1, 2), requires_grad=True)
    task.losses(logits, slice(None)).sum().backward()
    assert logits.grad is not None and abs(logits.grad[0, 0]) < 0.5 * abs(logits.grad[0, 1])


def test_ties_are_fitted_as_ties_and_cant_tell_is_not_fitted(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    rng = np.random.default_rng(0)
    for number, answer in enumerate((Answer.TIE, Answer.CANT_TELL, Answer.SKIP, Answer.FIRST, Answer.SECOND)):
        pair = store.add_pair(f"{number}", *(store.add_segment(make_segment(rng)) for _ in range(2)), swapped=False)
        store.record(f"{number}", pair, answer, "ann")
    model = RewardModel(OBSERVATIONS, ACTIONS, ModelConfig(), seed=0)
    labels = LabelSet(store, model, seed=0)
    assert labels.update(store.newest()) == 3
    assert labels.targets[labels.rows()].tolist() == [0.5, 1.0, 0.0]


def test_each_member_draws_as_many_as_there_are_and_validates_on_the_rest(tmp_path: Path) -> None:
    _, labels = fitted_model(tmp_path, 4, epochs=1)
    drawn = np.stack([labels._drawn(label) for label in range(1_500)], 1)
    assert drawn.sum(1) == pytest.approx(1_500, abs=4 * np.sqrt(1_500))
    assert (drawn == 0).mean(1) == pytest.approx(np.exp(-1), abs=0.05)
    assert (drawn[0] != drawn[1]).any()
    order = shuffled(drawn[:, :40], np.random.default_rng(0))
    for member in range(len(drawn)):
        seen = np.bincount(order[member][order[member] >= 0], minlength=40)
        np.testing.assert_array_equal(seen, drawn[member, :40])


def test_validation_loss_is_kept_near_the_training_loss(tmp_path: Path) -> None:
    model, _ = fitted_model(tmp_path, 20, members=3)
    losses = th.tensor([[1.0] * 4 + [ratio] * 4 for ratio in (2.0, 1.3, 1.0)])

    class Fixed(Comparisons):
        def losses(self, logits: th.Tensor, rows: Any) -> th.Tensor:
            return losses

    halves = np.repeat([[1, 0]], 4, 1).repeat(3, 0)
    task = Fixed(*[np.zeros(8)] * 2, halves, 1.0 - halves, *[th.zeros(8)] * 3)  # type: ignore[arg-type]
    model.l2[:] = 1e-3
    adapt_l2(model, task, np.zeros((3, 8), np.float32))
    np.testing.assert_allclose(model.l2, [1e-3 * L2_STEP, 1e-3, 1e-3 / L2_STEP])


@pytest.mark.parametrize("crop", [1.0, 0.5])
def test_a_minibatch_in_parts_has_the_gradient_of_the_whole(
    crop: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradients, told, parts = [], [], []
    for together in (passes.TOGETHER, 1):
        model, labels = fitted_model(tmp_path / str(together), 30, crop=crop, l2=0.1, epochs=1)
        with monkeypatch.context() as patch:
            patch.setattr(passes, "TOGETHER", together)
            patch.setattr(model.optimizer, "step", lambda: None)
            told.append(fit(model, labels))
            parts.append(len(passes._parts(model, labels, (5, 8), LENGTH)))
        gradients.append([parameter.grad for parameter in model.network.parameters()])
    assert parts == [1, 8] and told[0].train_accuracy == told[1].train_accuracy
    for whole, in_parts in zip(*gradients, strict=True):
        assert whole is not None and in_parts is not None
        np.testing.assert_allclose(in_parts.numpy(), whole.numpy(), rtol=1e-4, atol=1e-6)


def test_l2_shrinks_weights(tmp_path: Path) -> None:
    norms = []
    for l2 in (0.0, 0.1):
        model, _ = fitted_model(tmp_path / str(l2), 30, l2=l2, batch_size=4)
        norms.append(model.network.square_sums().sum().item())
    assert norms[1] < 0.9 * norms[0]


def test_a_fit_ends_early_where_it_is_asked_to(tmp_path: Path) -> None:
    """And with the paper's l2, which moves, it goes to the last epoch."""
    _, labels = fitted_model(tmp_path, 60, epochs=1)
    taken = {}
    for name, settings in {"early": {"stop_accuracy": 0.8}, "late": {"adapt_l2": True, "l2": 1e-5}}.items():
        model = RewardModel(OBSERVATIONS, ACTIONS, ModelConfig(epochs=60, **settings), seed=0)
        taken[name] = fit(model, labels)
        assert (model.l2 == model.config.l2).all() != (name == "late")
    assert taken["early"].epochs < taken["late"].epochs == 60
    assert taken["early"].train_accuracy > 0.75


def test_fits_go_on_bit_for_bit(tmp_path: Path) -> None:
    store = new_store(tmp_path)

    def step(model: RewardModel, labels: LabelSet, upto: int) -> None:
        labels.update(upto)
        fit(model, labels)

    def fresh() -> tuple[RewardModel, LabelSet]:
        model = RewardModel(OBSERVATIONS, ACTIONS, ModelConfig(epochs=3), seed=0)
        return model, LabelSet(store, model, seed=0)

    label_pairs(store, 50)
    first = store.newest()
    whole, resumed = fresh(), fresh()
    step(*whole, first)
    state = copy.deepcopy(whole[0].get_state())
    undone = store.undo("undo", 7)
    label_pairs(store, 30, seed=1)
    step(*whole, store.newest())
    resumed[0].set_state(state)
    step(*resumed, store.newest())
    assert undone and len(whole[1]) == 79
    assert_same(resumed[0].get_state(), whole[0].get_state())


def test_labels_are_the_same_in_one_go_or_many_and_bounded(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    model = RewardModel(OBSERVATIONS, ACTIONS, ModelConfig(keep=30), seed=0)
    many, once = LabelSet(store, model, seed=0), LabelSet(store, model, seed=0)
    for number in range(4):
        label_pairs(store, 12, seed=number)
        store.undo(f"undo-{number}", store.newest() - 3)
        many.update(store.newest())
    once.update(store.newest())
    assert len(once) == 30 - 3  # of the newest 30, those that stand
    slots = once.rows()
    np.testing.assert_array_equal(slots, many.rows())
    for name in ("numbers", "ids", "targets", "uniform", "lapses", "to_first", "lengths", "summaries"):
        np.testing.assert_array_equal(getattr(once, name)[slots], getattr(many, name)[slots])
    np.testing.assert_array_equal(once.counts[:, slots], many.counts[:, slots])
    with pytest.raises(ValueError, match="cannot go back"):
        many.update(1)


def test_answers_of_who_errs_count_less(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    label_pairs(store, 60)
    rng = np.random.default_rng(0)
    for pair in store.pairs():
        for swapped in (False, True):
            answer = Answer.FIRST if rng.random() < 0.5 else Answer.SECOND
            store.record(f"bob-{pair.id}-{swapped}", pair.id, answer, "bob", swapped=swapped)
            store.record(f"ann-{pair.id}-{swapped}", pair.id, Answer.FIRST, "ann", swapped=swapped)
    model = RewardModel(OBSERVATIONS, ACTIONS, ModelConfig(), seed=0)
    labels = LabelSet(store, model, seed=0)
    labels.update(store.newest())
    lapses = {label.annotator: labels.lapses[labels.ids == label.id][0] for label in store.labels()}
    assert lapses["ann"] == lapses["script"] == 0.1 and lapses["bob"] > 0.6


def test_segments_of_any_length_are_learned_from(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    rng = np.random.default_rng(0)
    for number in range(120):
        segments = [make_segment(rng, int(rng.integers(1, LENGTH + 1))) for _ in range(2)]
        better = Answer.FIRST if segments[0].rewards.sum() > segments[1].rewards.sum() else Answer.SECOND
        pair = store.add_pair(f"{number}", *map(store.add_segment, segments), swapped=False)
        store.record(f"{number}", pair, better, "ann")
    model = RewardModel(OBSERVATIONS, ACTIONS, ModelConfig(epochs=30), seed=0)
    labels = LabelSet(store, model, seed=0)
    labels.update(store.newest())
    slots = labels.rows()
    report = fit(model, labels)
    assert report.train_accuracy > 0.9 and determination(model) > 0.7
    pairs = [store.pair(label.pair) for label in store.labels()]
    first, second = (stack([store.segment(getattr(pair, side)) for pair in pairs]) for side in ("first", "second"))
    np.testing.assert_allclose(
        scores(model, labels, slots), model.returns(first) - model.returns(second), rtol=1e-3, atol=1e-3
    )


def test_a_report_tells_what_there_is_to_tell(tmp_path: Path) -> None:
    model, labels = fitted_model(tmp_path, 80)
    store = labels._store
    label_pairs(store, 40, seed=5)
    labels.update(store.newest())
    report = fit(model, labels, recent=stack([make_segment(np.random.default_rng(1))] * 4))
    figures = report.figures()
    assert report.labels == 120 and 0.6 < figures["fresh_accuracy"] <= 1.0
    assert min(figures["train_accuracy"], figures["held_out_accuracy"]) > 0.7
    assert 0.0 < figures["train_loss"] < figures["held_out_loss"] < 1.0
    empty = LabelSet(new_store(tmp_path / "empty"), model, seed=0)
    assert fit(model, empty).figures() == {"labels": 0.0, "epochs": 0.0, "left_out": 0.0, "turned": 0.0, "seconds": 0.0}


def test_only_members_that_have_not_learned_a_label_judge_it() -> None:
    logits, drawn = np.array([[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]]), np.array([[0, 1, 2], [0, 0, 1]])
    np.testing.assert_array_equal(held_out_logits(logits, drawn), [3.0, 6.0, np.nan])


def test_memory_is_flat_over_thousands_of_labels(tmp_path: Path) -> None:
    """Numbers have a room of fixed size, and pictures lie on the disk."""
    model = RewardModel(OBSERVATIONS, ACTIONS, ModelConfig(keep=20), seed=0)
    store = new_store(tmp_path)
    labels = LabelSet(store, model, seed=0)
    shapes = {name: part.shape for name, part in vars(labels).items() if isinstance(part, np.ndarray)}
    for number in range(3):
        label_pairs(store, 25, seed=number)
        labels.update(store.newest())
    assert shapes == {name: part.shape for name, part in vars(labels).items() if isinstance(part, np.ndarray)}
    assert len(labels) == 20 == len(labels._about)


def test_a_comparison_takes_a_quarter_of_a_millisecond(tmp_path: Path) -> None:
    """A network of Pendulum's size (2 x 32), segments of 100 steps, one thread; CPU time, since others run."""
    store = new_store(tmp_path, segment=100)
    label_pairs(store, 64)
    settings = {"members": 1, "net_arch": [32, 32], "epochs": 10, "filter": False}
    model = RewardModel(OBSERVATIONS, ACTIONS, ModelConfig(**settings), seed=0)
    labels = LabelSet(store, model, seed=0)
    labels.update(store.newest())
    threads, took = th.get_num_threads(), []
    th.set_num_threads(1)
    for _ in range(4):
        begin = time.process_time()
        fit(model, labels)
        took.append(1e3 * (time.process_time() - begin) / (10 * 64))
    th.set_num_threads(threads)
    assert min(took) < 0.25
