"""The acting network as one file that runs without rlkit: TorchScript, or ONNX.

Auxiliary heads and the target network stay behind: they are not needed to act.
"""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.preprocessing import preprocess_obs

from rlkit.agents.policy import Policy, load_policy
from rlkit.agents.spaces import channels_first
from rlkit.errors import UsageError, nearest

SUFFIXES = {"torchscript": ".pt", "onnx": ".onnx"}
TOLERANCE = 1e-5
ROWS = 5  # of the batch that parity is checked on


class ActingNetwork(th.nn.Module):
    """Observations as the environment shows them in, a value of every action out.

    Args:
        policy: Of an agent that learns values.

    Raises:
        UsageError: If the policy is another kind.
    """

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        network: Any = policy._network
        if not hasattr(network, "q_net") or isinstance(policy.observation_space, spaces.Dict):
            raise UsageError(
                "only agents that learn values of actions from vectors or pictures can be exported, "
                f"agent={policy.agent} with {policy.observation_space} is none: load it with rlkit.load_policy"
            )
        self.extractor, self.head = network.q_net.features_extractor, network.q_net.q_net
        self._in_bytes: bool = network.q_net.normalize_images
        self._space = channels_first(policy.observation_space)
        self._turned = self._space.shape != policy.observation_space.shape

    def forward(self, observations: th.Tensor) -> th.Tensor:
        """Shape ``(n, *observation)`` to ``(n, actions)``."""
        if self._turned:
            observations = observations.permute(0, 3, 1, 2)
        prepared = preprocess_obs(observations, self._space, normalize_images=self._in_bytes)
        values: th.Tensor = self.head(self.extractor(prepared))
        return values


def export_policy(run: str | Path, output: str | Path | None = None, kind: str = "torchscript") -> tuple[Path, float]:
    """Write the acting network of a run, and check what was written against it.

    Args:
        run: A run folder.
        output: The file; None: ``policy.pt`` or ``policy.onnx`` in the run folder.
        kind: ``torchscript`` or ``onnx``.

    Returns:
        The file, and the largest difference between its values and the policy's.

    Raises:
        UsageError: If the policy cannot be exported, a library is missing, or the file is not the same function.
    """
    if kind not in SUFFIXES:
        raise UsageError(f"unknown format {kind!r}: {nearest(str(kind), SUFFIXES)}")
    policy = load_policy(run)
    network = ActingNetwork(policy).eval()
    path = Path(output) if output is not None else Path(run) / f"policy{SUFFIXES[kind]}"
    if not path.parent.is_dir():
        raise UsageError(f"cannot write {path}: there is no folder {path.parent}")
    examples = _examples(policy.observation_space)
    try:
        found = (_write_torchscript if kind == "torchscript" else _write_onnx)(network, path, examples)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    with th.no_grad():
        difference = float(np.abs(network(th.from_numpy(examples)).numpy() - found).max())
    if not difference < TOLERANCE:
        raise UsageError(f"{path} is not the same function: its values differ by up to {difference:.1e}")
    return path, difference


def _examples(space: spaces.Space[NDArray[np.generic]]) -> NDArray[np.generic]:
    """Observations to check on, whatever the space's bounds."""
    rng, shape = np.random.default_rng(0), (ROWS, *(space.shape or ()))
    if space.dtype is not None and space.dtype.kind in "ui":
        top = 256 if space.dtype == np.uint8 else int(getattr(space, "n", 2))
        return rng.integers(0, top, shape).astype(space.dtype)
    return rng.normal(size=shape).astype(space.dtype)


def _write_torchscript(network: ActingNetwork, path: Path, examples: NDArray[np.generic]) -> NDArray[np.float32]:
    with warnings.catch_warnings(action="ignore"):  # that PyTorch has newer ways, which need PyTorch's Python to run
        traced = th.jit.trace(network, th.from_numpy(examples[:2]))
        th.jit.save(traced, str(path))
        again = th.jit.load(str(path))
    with th.no_grad():
        found: NDArray[np.float32] = again(th.from_numpy(examples)).numpy()
    return found


def _write_onnx(network: ActingNetwork, path: Path, examples: NDArray[np.generic]) -> NDArray[np.float32]:
    for module in ("onnx", "onnxscript", "onnxruntime"):
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise UsageError(f"{module} is missing: pip install 'rlkit-toolkit[onnx]'") from error
    import onnxruntime

    with warnings.catch_warnings(action="ignore"):
        th.onnx.export(
            network,
            (th.from_numpy(examples),),
            str(path),
            input_names=["observations"],
            output_names=["values"],
            dynamic_shapes={"observations": {0: th.export.Dim("n")}},
            external_data=False,
            verbose=False,
        )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: NDArray[np.float32] = session.run(["values"], {"observations": examples})[0]
    return found
