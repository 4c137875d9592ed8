"""Runs whose reward is learned from preferences: what they leave, whom they ask, and that a kill changes nothing."""

from __future__ import annotations

import functools
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import Command, Finished, kill_at, run, without_curves
from rlkit.rewards.answers import Answer
from rlkit.rewards.desk import Desk
from rlkit.rewards.model import load_reward
from rlkit.rewards.store import STORE, ComparisonStore
from rlkit.training import checkpoint
from rlkit.training.logs import read_progress
from runs import QUIET, assert_same_run, newest, progress, scalars

SMALL = (
    "reward=preferences",
    "reward.labels=24",
    "reward.segment=8",
    "reward.rounds=5",
    "reward.model.net_arch=[16]",
    "reward.model.epochs=4",
    "agent.net_arch=[16]",
    "seed=3",
    "threads=1",
    "eval_every=0",
)
SAC = (
    "env=gym",
    "env.id=Pendulum-v1",
    "agent=sac",
    *SMALL,
    "steps=400",
    "reward.explore_steps=80",
    "agent.learning_starts=40",
    "agent.batch_size=16",
    "log_every=50",
    "checkpoint_every=90",
)
PPO = (
    "env=gym",
    "agent=ppo",
    *SMALL,
    "steps=1024",
    "n_envs=4",
    "agent.n_steps=16",
    "agent.batch_size=32",
    "agent.n_epochs=2",
    "reward.explore_steps=128",
    "reward.recorded=3",
    "log_every=64",
    "checkpoint_every=192",
)
DQN = (
    "env=gym",
    "env.id=toys:Toy-v0",
    "agent=dqn",
    *SMALL,
    "steps=300",
    "n_envs=2",
    "reward.entropy=false",
    "agent.replay=compact",
    "agent.learning_starts=40",
    "agent.batch_size=8",
    "reward.explore_steps=60",
    "log_every=50",
    "checkpoint_every=70",
)
RUNS = {"sac": SAC, "ppo": PPO, "dqn": DQN}
every_run = pytest.mark.parametrize("kind", list(RUNS))


def begin(folder: Path, *settings: str, fault: Callable[[], None] | None = without_curves) -> Finished:
    return run("train", *settings, *QUIET, "run_dir=run", folder=folder, fault=fault)


def resume(folder: Path, *settings: str) -> Finished:
    finished = run("train", "resume=run", *settings, folder=folder, fault=without_curves)
    assert finished.code == 0, finished.err
    return finished


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each run without an interruption."""
    found = {}
    for kind, settings in RUNS.items():
        folder = tmp_path_factory.mktemp(kind)
        finished = begin(folder, *settings)
        assert finished.code == 0, finished.err
        found[kind] = folder / "run"
    return found


def store_of(folder: Path) -> ComparisonStore:
    return ComparisonStore(folder / "preferences" / STORE)


def told(folder: Path) -> list[Any]:
    """All that was asked and answered, in order, without the clock's times."""
    store = store_of(folder)
    pairs = store.pairs()
    answers = [(label.id, label.pair, label.annotator, label.answer, label.swapped) for label in store.labels()]
    segments = [store.segment(side, clip=True) for pair in pairs for side in (pair.first, pair.second)]
    return [pairs, answers, [(s.row, s.episode, s.start, s.step, s.rewards.tolist()) for s in segments]]


@every_run
def test_asks_as_many_as_asked_for_when_they_are_due(kind: str, whole: dict[str, Path]) -> None:
    store = store_of(whole[kind])
    pairs = store.pairs()
    assert len(pairs) == len(store.labels()) == 24 == store.header.budget
    assert [pair.round for pair in pairs] == sorted(pair.round for pair in pairs)
    first = [pair for pair in pairs if pair.round == 0]
    explored = {"sac": 80, "ppo": 128, "dqn": 60}[kind]
    assert len(first) == 6 and all(pair.uniform and explored <= pair.step < explored + 64 for pair in first)
    assert {pair.round for pair in pairs} <= set(range(6))
    steps = {"sac": 400, "ppo": 1024, "dqn": 300}[kind]
    assert max(pair.step for pair in pairs) <= steps
    assert {label.annotator for label in store.labels()} == {"oracle"}


@every_run
def test_the_teacher_answers_by_the_tasks_reward(kind: str, whole: dict[str, Path]) -> None:
    store = store_of(whole[kind])
    for label in store.labels():
        pair = store.pair(label.pair)
        first, second = (float(store.segment(side).rewards.sum()) for side in (pair.first, pair.second))
        if abs(first - second) > 1e-3:
            assert label.answer == (Answer.FIRST if first > second else Answer.SECOND)


@every_run
def test_figures_of_the_reward_model_and_returns_of_the_task(kind: str, whole: dict[str, Path]) -> None:
    shown = scalars(whole[kind])
    for name in ("labels", "labels_left", "train_loss", "held_out_loss", "train_accuracy", "l2", "disagreement"):
        assert f"preferences/{name}" in shown, name
    for name in ("correlation_step", "correlation_segment", "learned_above_first", "true_above_first", "alarm"):
        assert f"preferences/{name}" in shown, name
    assert shown["preferences/labels_left"][-1][1] == 0.0
    assert "time/reward_fit_s" in {key for row in read_progress(whole[kind] / "progress.csv") for key in row}
    if kind == "sac":
        returns = [value for _, value in shown["rollout/ep_rew_mean"]]
        assert max(returns) < -100  # the task's: learned ones are near 0


@every_run
def test_leaves_the_learned_reward(kind: str, whole: dict[str, Path]) -> None:
    model = load_reward(str(whole[kind] / "reward"))
    assert model.fits >= 5
    store = store_of(whole[kind])
    segment = store.segment(store.pairs()[0].first)
    rewards = model.predict(segment.observations, segment.actions)
    assert rewards.shape == (len(segment),) and rewards.std() > 0


def test_the_whole_replay_is_worth_what_the_last_model_says(whole: dict[str, Path]) -> None:
    tree = checkpoint.load(newest(whole["sac"]))
    replay, model = tree["replay"]["arrays"], load_reward(whole["sac"] / "reward")
    actions = (2.0 * replay["actions"][:, 0]).astype(np.float32)  # a pendulum's are between -2 and 2
    expected = model.predict(replay["observations"][:, 0], actions)
    np.testing.assert_allclose(replay["rewards"][:, 0], expected, atol=1e-5)


def kill_in_transaction(number: int) -> None:
    """Be killed after the n-th write to the store, before it is committed."""
    from rlkit.rewards.database import Database

    insert, seen = Database.insert, [0]

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen[0] += 1
        result = insert(self, *args, **kwargs)
        if seen[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    Database.insert = counted  # type: ignore[method-assign]


MOMENTS: dict[str, Callable[[], None]] = {
    "in the first questions": functools.partial(kill_in_transaction, 11),
    "in later questions": functools.partial(kill_in_transaction, 60),
    "before the first fit": functools.partial(kill_at, "rlkit.rewards.loop:fit", 1),
    "before the second fit": functools.partial(kill_at, "rlkit.rewards.loop:fit", 2),  # people answer so many in time
    "before a later fit": functools.partial(kill_at, "rlkit.rewards.loop:fit", 4),
    "before rewards are replaced": functools.partial(kill_at, "rlkit.training.preferences:relabel", 2),
    "before the reward is written": functools.partial(kill_at, "rlkit.training.preferences:save_reward", 3),
}


@every_run
@pytest.mark.parametrize("moment", list(MOMENTS))
def test_killed_at_a_chosen_moment(kind: str, moment: str, whole: dict[str, Path], tmp_path: Path) -> None:
    killed = begin(tmp_path, *RUNS[kind], fault=MOMENTS[moment])
    assert killed.code == -signal.SIGKILL, killed.err
    resume(tmp_path)
    assert_same_run(tmp_path / "run", whole[kind])
    assert told(tmp_path / "run") == told(whole[kind])
    for name in ("weights.safetensors", "reward.json"):
        assert (tmp_path / "run" / "reward" / name).read_bytes() == (whole[kind] / "reward" / name).read_bytes()


@every_run
def test_killed_at_random_moments(kind: str, whole: dict[str, Path], tmp_path: Path) -> None:
    last = int(progress(whole[kind])[-1]["step"])
    table = tmp_path / "run" / "progress.csv"
    command = Command("train", *RUNS[kind], *QUIET, "run_dir=run", folder=tmp_path)
    for share in (0.15, 0.4, 0.7):

        def reached(share: float = share) -> bool:
            return table.exists() and any(row["step"] >= share * last for row in read_progress(table))

        command.wait_until(reached)
        time.sleep(random.uniform(0.0, 0.05))
        command.send(signal.SIGKILL)
        command.wait()
        command = Command("train", "resume=run", folder=tmp_path)
    assert command.wait().code == 0, command.err
    assert_same_run(tmp_path / "run", whole[kind])
    assert told(tmp_path / "run") == told(whole[kind])


def test_asked_to_stop(whole: dict[str, Path], tmp_path: Path) -> None:
    command = Command("train", *SAC, *QUIET, "run_dir=run", folder=tmp_path)
    command.wait_until(lambda: (tmp_path / "run" / "preferences" / STORE).exists())
    time.sleep(0.2)
    command.send(signal.SIGTERM)
    assert command.wait().code == 128 + signal.SIGTERM
    resume(tmp_path)
    assert_same_run(tmp_path / "run", whole["sac"])


PEOPLE = (*SAC, "reward.teacher.name=people")


@pytest.fixture
def person() -> Iterator[Callable[..., threading.Thread]]:
    """Somebody who answers by the task's reward, up to a number of answers or until the test is over."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def come(folder: Path, answers: int | None = None, name: str = "ada", skips: int = 0) -> threading.Thread:
        def work() -> None:
            path = folder / "preferences" / STORE
            while not path.exists() and not over.wait(0.05):
                pass
            time.sleep(0.3)
            store = ComparisonStore(path)
            desk, given = Desk(store, repeat_share=0.0, overlap_share=0.0), 0
            while not over.is_set() and (answers is None or given < answers):
                shown = desk.next(name)
                if not shown:
                    over.wait(0.02)
                    continue
                pair = shown[0].pair
                first, second = (float(store.segment(side).rewards.sum()) for side in (pair.first, pair.second))
                answer = Answer.SKIP if given < skips else Answer.FIRST if first > second else Answer.SECOND
                desk.answer(f"{name}-{shown[0].lease}", name, shown[0].lease, answer, 900)
                given += 1
            store.close()

        threads.append(threading.Thread(target=work, daemon=True))
        threads[-1].start()
        return threads[-1]

    yield come
    over.set()
    for thread in threads:
        thread.join(20)


def test_people_are_waited_for_once_and_starving_is_told(
    person: Callable[..., threading.Thread], tmp_path: Path
) -> None:
    """The first questions are waited for; after these a run goes on whatever people do, and says what it lacks."""
    command = Command("train", *PEOPLE, *QUIET, "run_dir=run", folder=tmp_path, fault=without_curves)
    command.wait_until(lambda: "Waiting for the first 6 answers" in command.err)
    time.sleep(1.0)
    note = store_of(tmp_path / "run").noted("training")
    assert (note["state"], note["missing"], note["step"]) == ("waiting", 6, 80)
    assert note["steps"] == 400 and note["fits"] == 0
    person(tmp_path / "run", 6).join(30)
    finished = command.wait()
    assert finished.code == 0, finished.err
    assert "Labels starve: 6 of the" in finished.err
    store = store_of(tmp_path / "run")
    assert len(store.labels()) == 6 and len(store.pairs()) > 6
    note = store.noted("training")
    assert note["step"] == 400 and note["starving"] and note["state"] == "ended" and note["labels_used"] == 6


def test_what_is_skipped_is_not_waited_for_but_asked_anew(
    person: Callable[..., threading.Thread], tmp_path: Path
) -> None:
    person(tmp_path / "run", skips=4)
    finished = run("train", *PEOPLE, *QUIET, "run_dir=run", folder=tmp_path, fault=without_curves)
    assert finished.code == 0, finished.err
    store = store_of(tmp_path / "run")
    assert store.progress().skipped == 4 and len(store.pairs(round=0)) == 6
    assert len(store.pairs()) > 6 and load_reward(tmp_path / "run" / "reward").fits >= 1


def test_late_answers_are_learned_in_the_next_fit(person: Callable[..., threading.Thread], tmp_path: Path) -> None:
    command = Command("train", *PEOPLE, *QUIET, "run_dir=run", folder=tmp_path, fault=without_curves)
    person(tmp_path / "run")
    finished = command.wait()
    assert finished.code == 0, finished.err
    model, store = load_reward(tmp_path / "run" / "reward"), store_of(tmp_path / "run")
    assert len(store.labels()) <= 24 and model.fits >= 3
    assert model.fitted_upto >= store.pairs(round=2)[0].id  # rounds after the first had answers of people


@pytest.mark.parametrize("moment", ["before the second fit", "in later questions"])
def test_with_people_too_a_kill_changes_nothing(
    moment: str, person: Callable[..., threading.Thread], tmp_path: Path
) -> None:
    """Which answers a fit had is decided once: the run that was killed comes to what a twin comes to that was not."""
    person(tmp_path / "run", 14)
    killed = begin(tmp_path, *PEOPLE, fault=MOMENTS[moment])
    assert killed.code == -signal.SIGKILL, killed.err
    given = told(tmp_path / "run")[1]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        copy_run(tmp_path / "run", tmp_path / name / "run")
    resume(tmp_path / "one")
    again = run("train", "resume=run", folder=tmp_path / "two", fault=functools.partial(kill_at, KILLED_AGAIN, 1))
    assert again.code == -signal.SIGKILL
    resume(tmp_path / "two")
    assert_same_run(tmp_path / "one" / "run", tmp_path / "two" / "run")
    assert told(tmp_path / "one" / "run") == told(tmp_path / "two" / "run")
    assert told(tmp_path / "one" / "run")[1][: len(given)] == given  # none lost, none doubled


KILLED_AGAIN = "rlkit.training.checkpoint:_sync"


def copy_run(source: Path, target: Path) -> None:
    import shutil

    store = ComparisonStore(source / "preferences" / STORE)
    store.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    shutil.copytree(source, target)


def test_audit_is_written_and_in_the_report(tmp_path: Path) -> None:
    settings = ["evaluate=true" if setting == "evaluate=false" else setting for setting in QUIET]
    finished = run("train", *SAC, *settings, "run_dir=run", folder=tmp_path)
    assert finished.code == 0, finished.err
    folder = tmp_path / "run"
    found = json.loads((folder / "preferences" / "audit.json").read_text())
    assert found["labels"] == {"asked_for": 24, "answered": 24, "fitted": 24}
    assert found["held_against"] == "task" and found["verdict"].split(":")[0] in ("agrees", "doubtful", "alarm")
    for name in ("policy", "random"):
        assert -1.0 <= found[name]["rank_correlation_segment"] <= 1.0
        assert 0.0 <= found[name]["distance_shaped"] <= 1.0
    for name in ("loved", "hated", "suspect"):
        assert len(found[name]) == 10 and all(row["length"] == 8 for row in found[name])
    loved, hated = ([row["learned"] for row in found[name]] for name in ("loved", "hated"))
    assert loved == sorted(loved, reverse=True) and min(loved) >= max(hated)
    report = (folder / "report.md").read_text()
    assert "## Is the learned reward what was meant?" in report and found["verdict"] in report
    assert (folder / "preferences" / "audit.png").stat().st_size > 10_000


def test_no_labels_no_reward(tmp_path: Path) -> None:
    """The control: the agent's reward is 0 all the time, once it has explored."""
    finished = begin(tmp_path, *SAC, "reward.labels=0")
    assert finished.code == 0, finished.err
    rewards = checkpoint.load(newest(tmp_path / "run"))["replay"]["arrays"]["rewards"][:, 0]
    assert rewards[:80].any() and not rewards[80:].any()
    assert store_of(tmp_path / "run").pairs() == []


ANY = {
    "dictionaries": ("env=gym", "env.id=toys:Mixed-v0", "agent=dqn", "agent.learning_starts=20", "agent.batch_size=8"),
    "pictures": ("env=gym", "env.id=toys:Pictures-v0", "agent=ppo", "agent.n_steps=16", "agent.batch_size=16"),
    "several dials": ("env=gym", "env.id=toys:Dials-v0", "agent=ppo", "agent.n_steps=16", "agent.batch_size=16"),
    "masks": ("env=negotiation", "agent=ppo", "agent.n_steps=16", "agent.batch_size=16"),
    "the paper's mode": ("env=gym", "agent=a2c", "reward=preferences_paper"),
    "a score of one's own": ("env=gym", "agent=ppo", "agent.batch_size=32", "reward.score=rewards.people:leftmost"),
}


@pytest.mark.parametrize("case", list(ANY))
def test_any_spaces_and_agents(case: str, tmp_path: Path) -> None:
    small = [setting for setting in SMALL if not setting.startswith(("reward=", "reward.labels"))]
    brief = ("reward=preferences", *small, "reward.labels=10", "n_envs=2", "steps=256", "reward.explore_steps=64")
    finished = begin(tmp_path, *brief, "log_every=64", *ANY[case])
    assert finished.code == 0, finished.err
    assert len(store_of(tmp_path / "run").labels()) == 10
    assert load_reward(tmp_path / "run" / "reward").fits >= 3


def test_a_score_that_is_not_there_is_told(tmp_path: Path) -> None:
    finished = begin(tmp_path, *SAC, "reward.score=rewards.people:rightmost")
    assert finished.code == 2 and "reward.score=rewards.people:rightmost cannot be loaded" in finished.err


@every_run
def test_without_novelty_an_agent_learns_nothing_before_the_first_fit(kind: str, tmp_path: Path) -> None:
    settings = (*RUNS[kind], "reward.entropy=false", "reward.explore_steps=200", "checkpoint_every=20")
    killed = begin(tmp_path, *settings, "keep_checkpoints=100", fault=MOMENTS["before the first fit"])
    assert killed.code == -signal.SIGKILL, killed.err
    first, *_, last = (checkpoint.load(kept) for kept in checkpoint.checkpoints(tmp_path / "run" / "checkpoints"))
    assert first["counters"]["num_timesteps"] < last["counters"]["num_timesteps"]
    assert not changed(first, last)
    resume(tmp_path)
    assert changed(last, checkpoint.load(newest(tmp_path / "run")))


def changed(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether any weight of a policy has changed from one checkpoint to another."""
    pairs = [(value, after["modules"]["policy"][key]) for key, value in before["modules"]["policy"].items()]
    assert pairs
    return any(not np.array_equal(one, other) for one, other in pairs)
