"""Comparisons that `imitation` (HumanCompatibleAI) saved: a pickle of lists of trajectories.

A pickle can run whatever it likes when it is loaded. This reader builds only arrays and bare records, whatever the file
asks for, and still is only used when it is asked for by name.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core.multiarray import _reconstruct, scalar  # what a pickle of arrays calls, and nothing else
from numpy._core.numeric import _frombuffer  # type: ignore[attr-defined]

from rlkit.errors import UsageError
from rlkit.rewards.answers import Answer
from rlkit.rewards.segments import Segment
from rlkit.rewards.store import ComparisonStore

DECIDED = 1e-6  # preferences nearer to 0 or 1 than that are an answer; .5 is a tie


class _Record:
    """Stands for a class of the file's: its state, and nothing that runs."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.__dict__.update(part)


_RECORDS = {
    ("imitation.algorithms.preference_comparisons", "PreferenceDataset"),
    ("imitation.data.types", "TrajectoryWithRew"),
    ("imitation.data.types", "DictObs"),
}
_ARRAYS = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _RECORDS:
            return _Record
        if (module, name) in _ARRAYS:
            return _ARRAYS[module, name]
        raise pickle.UnpicklingError(f"{module}.{name} is not a part of comparisons")


def import_imitation(file: Path, store: ComparisonStore, *, allow_pickle: bool) -> int:
    """Take in a ``PreferenceDataset`` of `imitation`; what is there already is not doubled.

    Args:
        file: The pickle.
        store: Of the same environment; its header says what the arrays are.
        allow_pickle: Must be True: said by somebody who knows where the file is from.

    Returns:
        How many comparisons there were.

    Raises:
        UsageError: If it is not allowed, or the file is none, or of another environment.
    """
    if not allow_pickle:
        raise UsageError(
            f"{file} is a pickle, which can hide code: say allow_pickle=true if you trust where it is from"
        )
    try:
        dataset = _Reader(io.BytesIO(file.read_bytes())).load()
        pairs = list(zip(dataset.fragments1, dataset.fragments2, strict=True))
        answers = [_answer(float(preference)) for preference in dataset.preferences]
        segments = [tuple(_segment(store, fragment) for fragment in pair) for pair in pairs]
    except UsageError:
        raise
    except Exception as error:  # whatever a file that is none makes of it
        raise UsageError(f"{file} holds no comparisons of imitation: {error!r}") from error
    with store.transaction():
        for number, ((first, second), answer) in enumerate(zip(segments, answers, strict=True)):
            key = f"imitation-{file.name}-{number}"
            pair = store.add_pair(key, store.add_segment(first), store.add_segment(second), swapped=False)
            store.record(key, pair, answer, "imitation")
    return len(answers)


def _answer(preference: float) -> Answer:
    """Of the probability that the first is better."""
    if abs(preference - 0.5) < DECIDED:
        return Answer.TIE
    if min(preference, 1.0 - preference) > DECIDED:
        raise UsageError(f"a preference of {preference} is no answer: 1, 0 and .5 are")
    return Answer.FIRST if preference > 0.5 else Answer.SECOND


def _segment(store: ComparisonStore, fragment: Any) -> Segment:
    """A fragment, whose observations are one more than its actions."""
    space, actions = store.header.observation_space, np.asarray(fragment.acts)
    observations = np.asarray(fragment.obs)[:-1]
    wanted = store.header.action_space.shape
    if observations.shape[1:] != space.shape or actions.shape[1:] != wanted or len(observations) != len(actions):
        raise UsageError(
            f"the comparisons are of another environment: observations {observations.shape[1:]} and actions "
            f"{actions.shape[1:]}, this run has {space.shape} and {wanted}"
        )
    if len(actions) > store.header.segment:
        raise UsageError(
            f"a fragment has {len(actions)} steps, this run's segments have {store.header.segment} at most"
        )
    rewards = np.asarray(fragment.rews, np.float32)
    return Segment(observations.astype(space.dtype), actions, rewards, ended=bool(fragment.terminal))
