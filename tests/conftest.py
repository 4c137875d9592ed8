"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HUMAN_CONTEXTS = ROOT.parent / "shared" / "data" / "deal_or_no_deal" / "selfplay.txt"
INSTANCES = "1,2,3 8,1,0 4,0,2\n2,2,1 2,3,0 1,1,6\n1,4,1 4,1,2 2,2,0\n3,1,1 1,4,3 2,0,4\n"


@pytest.fixture
def human_contexts() -> Path:
    """The published selfplay.txt; skips where it is not beside the repository."""
    if not HUMAN_CONTEXTS.exists():
        pytest.skip("the human-collected contexts (selfplay.txt) are not beside the repository")
    return HUMAN_CONTEXTS


@pytest.fixture(scope="session")
def instances(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with four instances of the negotiation game."""
    path = tmp_path_factory.mktemp("instances") / "four.txt"
    path.write_text(INSTANCES)
    return path


@pytest.fixture(scope="session")
def negotiation_run(tmp_path_factory: pytest.TempPathFactory, instances: Path) -> Path:
    """A finished run of env=negotiation, judged on four instances; only to be read."""
    from commands import run
    from runs import NEGOTIATION

    folder = tmp_path_factory.mktemp("finished")
    judged = ("evaluate=true", f"env.eval_kwargs.scenarios={instances}", "run_dir=negotiation-ppo/first")
    finished = run("train", *NEGOTIATION, *judged, folder=folder)
    assert finished.code == 0, finished.err
    (folder / "said.txt").write_text(finished.err)
    (folder / "printed.txt").write_text(finished.out)
    return folder / "negotiation-ppo" / "first"


@pytest.fixture(scope="session")
def cartpole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of agent=dqn on CartPole-v1; only to be read."""
    from commands import run
    from runs import CARTPOLE

    folder = tmp_path_factory.mktemp("finished")
    finished = run("train", *CARTPOLE, "progress=false", "run_dir=gym-dqn/first", folder=folder)
    assert finished.code == 0, finished.err
    return folder / "gym-dqn" / "first"
