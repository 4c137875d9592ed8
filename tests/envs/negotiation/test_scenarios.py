"""The universe of instances, its split, and files of instances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rlkit.envs.negotiation.scenarios import Scenario, ScenarioError, load_scenarios, scenario_index, universe


def test_split_keeps_mirrored_instances_together_and_covers_all() -> None:
    train, test = load_scenarios("train"), load_scenarios("test")
    assert sorted([*train, *test]) == list(range(len(universe())))
    mirrored = {scenario_index(universe()[i].mirrored()) for i in test}
    assert mirrored == set(test.tolist())
    assert 0.45 < len(test) / len(universe()) < 0.55


@pytest.mark.parametrize(
    ("pool", "first", "second", "rule"),
    [
        ((1, 2, 3), (8, 1, 0), (4, 0, 1), "worth 10"),
        ((1, 1, 1), (8, 1, 1), (4, 3, 3), "5 to 7 items"),
        ((0, 2, 3), (8, 5, 0), (4, 2, 2), "at least once"),
        ((2, 2, 1), (5, 0, 0), (3, 0, 4), "worthless to both"),
        ((2, 2, 1), (5, 0, 0), (0, 3, 4), "valued by both"),
        ((1, 2), (8, 1, 0), (4, 0, 2), "3 whole numbers"),
        ((1, 2, 3), (8, 1, -1), (4, 0, 2), "3 whole numbers"),
    ],
)
def test_broken_rules_are_named(pool: tuple, first: tuple, second: tuple, rule: str) -> None:
    with pytest.raises(ScenarioError, match=rule):
        Scenario.checked(pool, first, second)


def test_both_syntaxes_read_the_same(tmp_path: Path) -> None:
    openspiel, selfplay = tmp_path / "a.txt", tmp_path / "b.txt"
    openspiel.write_text("1,2,3 8,1,0 4,0,2\n1,2,3 8,1,0 4,0,2\n")
    selfplay.write_text("1 8 2 1 3 0\n1 4 2 0 3 2\n\n1 8 2 1 3 0\n1 4 2 0 3 2\n")
    expected = scenario_index(Scenario((1, 2, 3), ((8, 1, 0), (4, 0, 2))))
    assert load_scenarios(openspiel).tolist() == load_scenarios(str(selfplay)).tolist() == [expected] * 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "file is empty"),
        ("1,2,3 8,1,0\n", "line 1: expected"),
        ("1,2,3 8,1,0 4,0,2\nBook: 1, Hat: 2\n", "line 2: expected"),
        ("1,2,3 8,1,0 4,0,9\n", "line 1: .*worth 10"),
        ("1 8 2 1 3 0\n", "line 1: a context without a partner"),
        ("1 8 2 1 3 0\n1 4 2 0 2 3\n", "lines 1 and 2: .*same pool"),
        ("1 8 2 1 3 0\nhello\n", "line 2: expected"),
        ("1 8 2 1 3 0\n1 4 2 0 3 9\n", "lines 1 and 2: .*worth 10"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "contexts.txt"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=message) as error:
        load_scenarios(path)
    assert str(path) in str(error.value)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="No such file.*'all', 'train', 'test'"):
        load_scenarios(tmp_path / "missing.txt")
    with pytest.raises(ScenarioError, match="directory"):
        load_scenarios(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match="not a text file"):
        load_scenarios(tmp_path / "binary")


def test_human_contexts_are_read(human_contexts: Path) -> None:
    indices = load_scenarios(human_contexts)
    assert len(indices) == 4_086
    totals = np.bincount([sum(universe()[i].pool) for i in indices])
    assert totals[5:].tolist() == [2134, 1718, 234]
