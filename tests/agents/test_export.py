"""An exported network is the policy's, without what is not needed to act."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import toys
from rlkit import cli
from rlkit.agents import AGENTS, build_agent
from rlkit.agents.export import TOLERANCE, export_policy
from rlkit.agents.policy import load_policy, save_policy
from rlkit.agents.vecenv import VecEnvAdapter
from rlkit.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.load. is deprecated:DeprecationWarning")
FORMATS = ["torchscript", "onnx"]


def saved(folder: Path, name: str, env: Any, **settings: Any) -> Path:
    """A run folder with nothing but a policy."""
    config = AGENTS[name].config(net_arch=[16], **settings)
    envs = VecEnvAdapter(SyncVectorEnv([env], autoreset_mode=AutoresetMode.SAME_STEP))
    model = build_agent(config, envs, seed=0, device="cpu", masked=False)
    save_policy(folder / "policy", model, config, env_id="toy", masked=False)  # type: ignore[arg-type]
    return folder


CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "vectors": (toys.Toy, {"dueling": True, "noisy": True}),
    "pictures": (toys.Pictures, {"dueling": True, "buffer_size": 100}),
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("case", list(CASES))
def test_values_are_the_policys(kind: str, case: str, tmp_path: Path) -> None:
    if kind == "onnx":
        pytest.importorskip("onnxruntime")
    env, settings = CASES[case]
    run = saved(tmp_path, "dqn", env, **settings)
    path, difference = export_policy(run, kind=kind)
    assert path == run / {"torchscript": "policy.pt", "onnx": "policy.onnx"}[kind] and difference < TOLERANCE
    space = env.observation_space
    space.seed(1)
    observations = np.stack([space.sample() for _ in range(17)])
    policy = load_policy(run)
    if kind == "torchscript":
        values = th.jit.load(str(path))(th.from_numpy(observations)).detach().numpy()
    else:
        import onnxruntime

        values = onnxruntime.InferenceSession(str(path)).run(None, {"observations": observations})[0]
    np.testing.assert_allclose(values, policy._scores(observations), atol=TOLERANCE)
    np.testing.assert_array_equal(values.argmax(1), policy.predict(observations))


def test_the_target_network_stays_behind(tmp_path: Path) -> None:
    path, _ = export_policy(saved(tmp_path, "dqn", toys.Toy))
    names = [name for name, _ in th.jit.load(str(path)).named_parameters()]
    assert names and not any("target" in name for name in names)


def test_the_command_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = saved(tmp_path, "dqn", toys.Toy)
    assert cli.export_main([f"run={run}", f"output={tmp_path}/net.pt"]) == 0
    assert (tmp_path / "net.pt").exists() and "values differ by at most" in capsys.readouterr().err


def test_what_cannot_be_exported_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = saved(tmp_path, "dqn", toys.Toy)
    with pytest.raises(UsageError, match="unknown format 'onx': did you mean 'onnx'"):
        export_policy(run, kind="onx")
    with pytest.raises(UsageError, match="cannot write"):
        export_policy(run, tmp_path / "missing" / "policy.pt")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match=r"onnx is missing: pip install 'rlkit-toolkit\[onnx\]'"):
        export_policy(run, kind="onnx")
    with pytest.raises(UsageError, match="only agents that learn values of actions"):
        export_policy(saved(tmp_path / "ppo", "ppo", toys.Toy, n_steps=8))
