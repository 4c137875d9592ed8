"""The study of learned rewards: its arms, and a page of made-up outcomes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rlkit import cli
from rlkit.errors import UsageError
from rlkit.rewards.config import PreferencesConfig
from rlkit.studies import pixel_control, preferences
from rlkit.studies.outcomes import Outcome, Outcomes
from rlkit.studies.preferences import CHANCE, LABELS, SHUFFLED, STAGES, SWITCHES, gather, trials
from rlkit.studies.shares import MODERN, RATES, TRUE, labels_arm, teacher_arm
from rlkit.studies.trials import Trial
from rlkit.training.config import RunConfig, compose_run, to_plain

AT_CHANCE, AT_BEST = -1_000.0, -200.0


@pytest.fixture(scope="module")
def configs() -> dict[tuple[str, str], RunConfig]:
    """Of every arm of every stage."""
    return {(t.stage, t.arm): compose_run(t.settings) for t in trials(list(STAGES), None, 1, None)}


def test_every_arm_can_be_made_and_first_seeds_come_first() -> None:
    everything = trials(list(STAGES), None, None, None)
    assert [trial.seed for trial in everything] == sorted(trial.seed for trial in everything)
    assert len({trial.key for trial in everything}) == len(everything)
    assert {len({t.seed for t in everything if t.stage == stage}) for stage in ("hopper", "halfcheetah")} == {3}
    labelled = [name for name, stage in STAGES.items() if set(map(labels_arm, LABELS)) <= set(stage.arms)]
    assert len(labelled) == 3 and all(STAGES[name].seeds == 5 for name in labelled)


def test_arms_of_a_stage_differ_in_the_reward_alone(configs: dict[tuple[str, str], RunConfig]) -> None:
    for stage in STAGES:
        seen = [to_plain(config) | {"reward": None} for (name, _), config in configs.items() if name == stage]
        assert all(plain == seen[0] for plain in seen)


def test_the_reference_has_the_true_reward_and_equal_steps(configs: dict[tuple[str, str], RunConfig]) -> None:
    for name, stage in STAGES.items():
        reference, own = configs[stage.reference], next(c for (s, _), c in configs.items() if s == name)
        assert (reference.reward.name == "env") == (stage.reference[1] == TRUE)
        assert (reference.steps, reference.agent, reference.env) == (own.steps, own.agent, own.env)


def test_arms_are_what_they_are_called(configs: dict[tuple[str, str], RunConfig]) -> None:
    def reward(stage: str, arm: str) -> PreferencesConfig:
        return configs[stage, arm].reward

    assert [reward("pendulum", labels_arm(n)).labels for n in LABELS] == list(LABELS)
    assert reward("pendulum", SHUFFLED).teacher.filled()["mistake"] == 0.5
    for rate in RATES:
        for filtered in (True, False):
            found = reward("teachers", teacher_arm("myopic", rate, filtered))
            assert found.teacher.filled()["mistake"] == rate and found.teacher.filled()["gamma"] < 1.0
            assert found.model.filter == filtered
    plain = {arm: to_plain(configs["switches", arm])["reward"] for arm in STAGES["switches"].arms}
    assert all(plain[arm] != plain[MODERN] for arm in SWITCHES if arm != MODERN)
    assert plain["paper"]["name"] == "preferences_paper"


# The page, of made-up outcomes


def made(returns: list[float], likeness: float | None = None) -> Outcome:
    """Evaluations at equal distances."""
    count = len(returns)
    steps = np.arange(1.0, count + 1.0)
    return Outcome(returns[-1], 100.0 * steps, 60.0 * steps / count, np.array(returns), likeness)


def written(found: list[Trial], page: Path, shares: dict[str, float]) -> None:
    """Outcomes of arms that come to these shares, seeds apart by a hundredth; and of random actions."""
    known = {
        Trial(stage=name, arm=CHANCE, seed=0, settings=stage.settings): Outcome.untrained(AT_CHANCE)
        for name, stage in STAGES.items()
    }
    for trial in found:
        level = AT_CHANCE + (AT_BEST - AT_CHANCE) * (shares[trial.arm] + 0.01 * (trial.seed - 1))
        returns = [AT_CHANCE, AT_CHANCE, level - 8.0, level + 8.0, level, level, level, level]
        known[trial] = made(returns, None if trial.arm == TRUE else 0.5)
    Outcomes(page.parent / "no-runs", page).write(known)


@pytest.fixture(autouse=True)
def _chance_is_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is played where the file has it."""
    monkeypatch.setattr(preferences, "play_episodes", lambda *given: pytest.fail("played again"))
    yield


def cells(page: str) -> dict[str, list[str]]:
    """A table's cells by the first."""
    rows = [line[2:-2].split(" | ") for line in page.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row[1:] for row in rows}


def test_the_page_has_shares_of_the_true_reward(tmp_path: Path) -> None:
    shares = {labels_arm(0): 0.1, labels_arm(100): 0.5, labels_arm(700): 0.95, TRUE: 1.0}
    found = trials(["pendulum"], list(shares), 3, None)
    page = tmp_path / "page.md"
    written(found, page, shares)
    text = gather(found, tmp_path / "no-runs", page)
    rows = cells(text)
    assert rows[labels_arm(700)] == ["3", "0.95 [0.94, 0.96]", "-240.00 [-248.00, -232.00]", "0.50", "1.0"]
    assert rows[TRUE][1] == "1.00 [0.99, 1.01]" and rows[TRUE][3] == ""
    assert list(rows) == [arm for arm in STAGES["pendulum"].arms if arm in shares]
    assert "Random actions: -1000.0; `true_reward`: -200.0" in text and "800 environment steps" in text
    assert (tmp_path / "page-pendulum.png").exists() and "![curves](page-pendulum.png)" in text
    assert page.read_text() == text


def test_without_the_reference_nothing_is_held_against_it(tmp_path: Path) -> None:
    shares = {labels_arm(0): 0.1, labels_arm(100): 0.5}
    found = trials(["pendulum"], list(shares), 1, None)
    written(found, tmp_path / "page.md", shares)
    text = gather(found, tmp_path / "no-runs", tmp_path / "page.md")
    assert "the reference's runs are to come" in text and not cells(text)


def test_teachers_and_error_rates_make_a_table(tmp_path: Path) -> None:
    shares = {arm: 1.0 for arm in STAGES["teachers"].arms}
    shares[teacher_arm("skip", 0.2, True)], shares[teacher_arm("skip", 0.2, False)] = 0.9, 0.6
    found = trials(["teachers"], None, 1, None)
    written(found, tmp_path / "page.md", shares)
    text = gather(found, tmp_path / "no-runs", tmp_path / "page.md")
    skip = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `skip`")]
    place = 3 + RATES.index(0.2)
    assert [row[1:3] for row in skip] == [["on", "1"], ["off", "1"]]
    assert [float(row[place].split()[0]) for row in skip] == pytest.approx([0.9, 0.6], abs=0.02)
    assert "| 20% wrong |" in text and (tmp_path / "page-teachers.png").exists()


def test_switches_are_held_against_the_modern_mode(tmp_path: Path) -> None:
    shares = {TRUE: 1.0, **{arm: 0.8 for arm in STAGES["switches"].arms}, "no_relabel": 0.3, "paper": 0.9}
    found = trials(["reacher"], [TRUE], 3, None) + trials(["switches"], None, 3, None)
    written(found, tmp_path / "page.md", shares)
    rows = cells(gather(found, tmp_path / "no-runs", tmp_path / "page.md").split(STAGES["switches"].title)[1])
    assert rows[MODERN][1].startswith("0.80") and len(rows[MODERN]) == 6 and rows[MODERN][-1] == ""
    assert rows["no_relabel"][-1].startswith("0.00") and rows["paper"][-1].startswith("1.00")
    assert rows["no_crops"][-1].startswith("0.50")


def test_random_actions_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(preferences, "CHANCE_EPISODES", 4)
    found = trials(["pendulum"], [TRUE], 1, None)
    outcomes = Outcomes(tmp_path, tmp_path / "page.md")
    outcomes.write({found[0]: made([-150.0] * 4)})
    text = gather(found, tmp_path, tmp_path / "page.md")
    kept = outcomes.kept([Trial(stage="pendulum", arm=CHANCE, seed=0, settings=STAGES["pendulum"].settings)])
    (measured,) = kept.values()
    assert -1_700.0 < measured.judged < -700.0 and cells(text)[TRUE][1] == "1.00 [1.00, 1.00]"
    monkeypatch.setattr(preferences, "play_episodes", lambda *given: pytest.fail("played again"))
    assert gather(found, tmp_path, tmp_path / "page.md") == text


def test_policies_are_judged_by_a_taste_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(preferences, "CHANCE_EPISODES", 64)
    command = ["preferences", "stages=[fairness]", f"arms=[{TRUE}]", "seeds=1", "steps=8192"]
    places = [f"folder={tmp_path}/runs", f"output={tmp_path}/page.md"]
    assert cli.study_main([*command, *places]) == 0
    (trial,) = trials(["fairness"], [TRUE], 1, 8192)
    told = trial.scored(tmp_path / "runs")
    (fairness,) = json.loads(told.read_text()).values()
    row = cells((tmp_path / "page.md").read_text())[TRUE]
    assert 0.0 < fairness <= 1.0 and row[1] == f"{fairness:.2f} [{fairness:.2f}, {fairness:.2f}]"

    told.unlink()  # killed before it was written
    (tmp_path / "page.json").unlink()
    monkeypatch.setattr("rlkit.studies.trials.train", lambda config: pytest.fail("trained again"))
    assert cli.study_main([*command, *places]) == 0
    assert list(json.loads(told.read_text()).values()) == [fairness]

    with pytest.raises(UsageError, match="other settings"):  # as a file has it from before the taste was asked for
        Outcomes(tmp_path, tmp_path / "page.md").kept([replace(trial, scores=())])


def test_help_tells_of_each_study(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.study_main(["--help"]) == 0
    said = capsys.readouterr().out
    assert "pixel_control|preferences" in said
    for study in (pixel_control, preferences):
        assert " ".join(study.STAGES) in said
