"""rlax's own tests of pixel control, which its wheel has, with our functions in the place of its own."""

from __future__ import annotations

import importlib
import unittest
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch as th

from rlkit.agents.auxiliary.pixel_control import pixel_control_loss, pixel_control_rewards

CASES = {  # module and class of rlax's tests; the function they are of, in the module of that name; ours; how many
    "rewards": ("general_value_functions", "PixelControlTest", "pixel_control_rewards", pixel_control_rewards, 2),
    "loss": ("losses", "PixelControlLossTest", "pixel_control_loss", pixel_control_loss, 4),
}


def in_jax(function: Callable[..., th.Tensor], calls: list[int]) -> Callable[..., Any]:
    """A function of PyTorch as JAX's tests call theirs: also while it is compiled, and mapped over a batch."""
    jax = importlib.import_module("jax")

    def on_host(*arrays: Any, cell_size: int) -> np.ndarray:
        calls.append(1)
        return function(*(np.array(array) for array in arrays), cell_size=cell_size).numpy().astype(np.float32)

    def called(*arguments: Any, cell_size: int) -> Any:
        shown = [np.zeros(a.shape, a.dtype) if hasattr(a, "shape") else a for a in arguments]
        shape = on_host(*shown, cell_size=cell_size).shape  # our errors, where shapes do not fit
        result = jax.ShapeDtypeStruct(shape, np.float32)
        host = lambda *arrays: on_host(*arrays, cell_size=cell_size)  # noqa: E731
        return jax.pure_callback(host, result, *arguments, vmap_method="sequential")

    return called


def result_of(case: str, ours: Callable[..., th.Tensor], patch: pytest.MonkeyPatch) -> tuple[unittest.TestResult, int]:
    """What comes of rlax's tests with this function, and how often it was called."""
    pytest.importorskip("rlax", reason="rlax, DeepMind's library, is in the extra [oracle]")
    module, name, function = CASES[case][:3]
    tests = pytest.importorskip(f"rlax._src.{module}_test", reason="this rlax comes without its tests")
    calls: list[int] = []
    patch.setattr(importlib.import_module(f"rlax._src.{module}"), function, in_jax(ours, calls))
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(getattr(tests, name)).run(result)
    return result, len(calls)


@pytest.mark.parametrize("case", list(CASES))
def test_rlax_own_tests_pass_with_our_functions(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    *_, ours, least = CASES[case]
    result, calls = result_of(case, ours, monkeypatch)
    assert [trace for _, trace in (*result.failures, *result.errors)] == []
    assert result.testsRun - len(result.skipped) >= least  # each in up to five variants: compiled, on a device, ...
    assert calls >= least


def doubled(*arguments: Any, **keywords: Any) -> th.Tensor:
    return 2 * pixel_control_loss(*arguments, **keywords)


def test_rlax_own_tests_notice_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or passing them would mean nothing."""
    result, _ = result_of("loss", doubled, monkeypatch)
    assert len(result.failures) + len(result.errors) >= 2
