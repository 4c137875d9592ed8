"""`PuePredictor`: fits both ensembles to a history, all members of a batch at once; a step is an update of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from numpy.typing import NDArray
from stable_baselines3.common.logger import Image

from rlkit.agents.config import PuePredictorConfig
from rlkit.agents.learner import Learner
from rlkit.agents.policy import FORMAT
from rlkit.agents.predictor.features import FeatureReader
from rlkit.agents.predictor.history import History, gather
from rlkit.agents.predictor.measures import measure
from rlkit.agents.predictor.model import AGENT, HEADS, Head, Predictor, build_heads, save_predictor
from rlkit.agents.predictor.pictures import Said, draw_calibration, draw_predictions
from rlkit.agents.predictor.samples import Samples, hour_ahead, next_step, split_steps
from rlkit.agents.vecenv import VecEnvAdapter
from rlkit.errors import UsageError

WATCHED = 20_000  # samples of the hold-out that are looked at while it learns
CALIBRATED = 40_000  # of the training time, for noise and spread
OUTPUTS = {  # as pictures call them
    "next": {"pue": "PUE, next step"},
    "ahead": {
        "pue": "PUE, hour ahead",
        "facility_power_kw": "power, hour ahead",
        "inlet_max_c": "hottest inlet, hour ahead",
        "inlet_min_c": "coldest inlet, hour ahead",
        "aisle_pressure_pa": "aisle pressure, hour ahead",
    },
}
CONFIDENT = 0.99  # the members agree at least as well on this share of the training data as where they are trusted


@dataclass(frozen=True)
class Fitted:
    """What one ensemble is fitted to.

    Attributes:
        train: Samples of the training time.
        held_out: Those of the time after it.
        bags: Rows of ``train`` that each member learns from, shape ``(members, n)``: whole days drawn with replacement.
        absent: Whether a member has not seen a row, shape ``(members, n)``.
    """

    train: Samples
    held_out: Samples
    bags: th.Tensor
    absent: NDArray[np.bool_]


class PuePredictor(Learner):
    """Gao's networks (2014) in an ensemble, learned from years of a plant's operation.

    Args:
        config: Settings.
        envs: Halls of the plant; their number is that of the history's.
        seed: Of the history, the weights and the batches.
        device: Must be the CPU: the networks are so small that a GPU would wait for its own calls.

    Raises:
        UsageError: If the environment is no cooling task under supervisory control, or a setting is not possible.
    """

    iteration_steps = 10

    def __init__(self, config: PuePredictorConfig, envs: VecEnvAdapter, *, seed: int, device: str) -> None:
        super().__init__(envs)
        check_settings(config, device)
        inner: Any = envs.envs
        if envs.envs is not envs.envs.unwrapped:
            raise UsageError(f"agent={AGENT} learns from an operator's years and does not act: leave env.safety out")
        self.reader = FeatureReader(getattr(inner, "observation_names", ()), getattr(inner, "action_names", ()))
        self.config, self.seed = config, seed
        self.env_id, self.arguments = inner.spec.id, dict(inner.spec.kwargs)
        self.step_s, self.halls = float(inner.setup.task.step_s), envs.num_envs
        self._generator = th.Generator().manual_seed(seed)
        self.heads = build_heads(self.reader, config.members, config.net_arch, config.activation, self._generator)
        parameters = [parameter for head in self.heads.values() for parameter in head.network.parameters()]
        self._optimizer = th.optim.Adam(parameters, config.learning_rate, fused=True)
        self._fitted: dict[str, Fitted] | None = None
        self._digest = ""
        self._end = 1

    def prepare(self, end: int) -> None:
        """Live through the years of the history, once."""
        self._end = end
        if self._fitted is None:
            self._fit_to(gather_years(self.config, self.env_id, self.arguments, self.halls, self.seed))

    def _fit_to(self, history: History) -> None:
        digest = history.digest()
        if self._digest not in ("", digest):
            raise UsageError(
                "the plant behaves otherwise than when this run began (its history is another): the environment or its "
                "files were changed. Begin a new run"
            )
        self._digest = digest
        rng = np.random.default_rng(self.seed)
        samples = {"next": next_step(history, self.reader), "ahead": hour_ahead(history, self.reader, self.step_s)}
        first, end = split_steps(history, self.config.train_share)
        hour = round(3600.0 / self.step_s)
        self._fitted = {}
        for name, found in samples.items():
            train = found.within(0, first - (hour if name == "ahead" else 0))  # an hour must end before the hold-out
            self.heads[name].set_scales(train.inputs, train.targets)
            bags, absent = draw_bags(train.step // history.steps_a_day, self.config.members, rng)
            self._fitted[name] = Fitted(train, found.within(first, end), bags, absent)

    def iterate(self, steps: int) -> None:
        """Update every member of both ensembles ``steps`` times."""
        losses: dict[str, list[float]] = {name: [] for name in HEADS}
        for step in range(self.num_timesteps, self.num_timesteps + steps):
            if self.config.learning_rate_schedule == "linear":
                for group in self._optimizer.param_groups:
                    group["lr"] = self.config.learning_rate * (1.0 - step / self._end)
            self._optimizer.zero_grad()
            for name in HEADS:
                losses[name].append(self._backward(name))
            self._optimizer.step()
        for name, values in losses.items():
            self.logger.record_mean(f"train/loss_{name}", float(np.mean(values)))
        self.logger.record_mean("train/loss", float(np.mean(losses["next"])))
        self.logger.record("train/learning_rate", self._optimizer.param_groups[0]["lr"])

    def _backward(self, name: str) -> float:
        """Gradients of one minibatch for each member, drawn from its own bag; returns the mean squared error."""
        head, fitted = self.heads[name], self._data()[name]
        members, size = self.config.members, self.config.batch_size
        drawn = th.randint(fitted.bags.shape[1], (members, size), generator=self._generator)
        rows = fitted.bags.gather(1, drawn).numpy()
        inputs = head.scaled(th.from_numpy(fitted.train.inputs[rows]))
        targets = head.scaled_targets(th.from_numpy(fitted.train.targets[rows]))
        error = (head.network(inputs) - targets).square().mean(dim=(1, 2)).sum()
        penalty = 0.5 * self.config.l2 / len(fitted.train) * head.network.square_sum()
        (error + penalty).backward()
        return error.item() / members

    def _data(self) -> dict[str, Fitted]:
        assert self._fitted is not None, "prepare() comes first"
        return self._fitted

    def calibrate(self) -> None:
        """Noise and limits of spread, from what each member says of days that it has not seen."""
        for name, head in self.heads.items():
            fitted = self._data()[name]
            rows = np.unique(np.linspace(0, len(fitted.train) - 1, CALIBRATED).astype(np.int64))
            set_confidence(head, fitted.train.inputs[rows], fitted.train.targets[rows], fitted.absent[:, rows])

    def evaluate(self) -> None:
        """Errors, coverage and pictures on the hold-out, which is later than everything it learns from."""
        self.calibrate()
        said: dict[str, Said] = {}
        for name, head in self.heads.items():
            watched = self._data()[name].held_out.thinned(WATCHED)
            prediction = head.predict(watched.inputs)
            for number, output in enumerate(HEADS[name]):
                one = watched.targets[:, number], prediction.mean[:, number], prediction.sigma[:, number]
                said[OUTPUTS[name][output]] = one
                found = measure(*one)
                prefix = "" if name == "next" else f"ahead_{output}_"
                for figure in ("mae", "rmse", "coverage_95") if name == "next" else ("mae",):
                    self.logger.record(f"eval/{prefix}{figure}", found[figure])
        truth, mean, _ = said[OUTPUTS["next"]["pue"]]
        for what, picture in (("calibration", draw_calibration(said)), ("predicted", draw_predictions(truth, mean))):
            self.logger.record(f"eval/{what}", Image(picture, "HWC"), exclude=("stdout", "csv"))

    def predictor(self, env_id: str) -> Predictor:
        """What has been learned so far."""
        self.calibrate()
        description = {
            "format": FORMAT,
            "agent": AGENT,
            "env_id": env_id,
            "steps": self.num_timesteps,
            "members": self.config.members,
            "net_arch": list(self.config.net_arch),
            "activation": self.config.activation,
            "observation_names": list(self.reader.observation_names),
            "action_names": list(self.reader.action_names),
            "step_s": self.step_s,
            "halls": self.halls,
        }
        return Predictor(self.heads, self.reader, description)

    def export(self, folder: Path, env_id: str) -> None:
        """Write the ensembles; :func:`rlkit.agents.predictor.model.load_predictor` reads them."""
        if self._fitted is None:
            self.prepare(self.num_timesteps)
        save_predictor(folder, self.predictor(env_id))

    def get_state(self) -> dict[str, Any]:
        """Weights, optimizer, generator; the history is lived through again, and its digest must be the same."""
        return {
            "heads": {name: dict(head.network.state_dict()) for name, head in self.heads.items()},
            "optimizer": self._optimizer.state_dict(),
            "generator": self._generator.get_state(),
            "digest": self._digest,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what :meth:`get_state` gave."""
        for name, head in self.heads.items():
            head.network.load_state_dict(state["heads"][name])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"])
        self._digest = state["digest"]


def gather_years(config: PuePredictorConfig, env_id: str, arguments: dict[str, Any], halls: int, seed: int) -> History:
    """The history that a run learns from and is judged by."""
    return gather(
        env_id,
        arguments,
        weather=config.weather,
        workload=config.workload,
        halls=halls,
        days=config.days,
        seed=seed,
    )


def draw_bags(day: NDArray[np.int64], members: int, rng: np.random.Generator) -> tuple[th.Tensor, NDArray[np.bool_]]:
    """Rows of each member: as many days as there are, drawn with replacement, since a day's samples are alike.

    Args:
        day: Of each row, ascending, shape ``(n,)``.
        members: How many.
        rng: Draws.

    Returns:
        Rows, shape ``(members, m)``, each bag cut to the shortest one's length; and which rows a member has not got,
        shape ``(members, n)``.
    """
    days, first, counts = np.unique(day, return_index=True, return_counts=True)
    bags, absent = [], np.ones((members, len(day)), np.bool_)
    for member in range(members):
        drawn = rng.integers(len(days), size=len(days))
        rows = np.concatenate([np.arange(first[i], first[i] + counts[i]) for i in drawn])
        absent[member, rows] = False
        bags.append(rng.permutation(rows))
    shortest = min(map(len, bags))
    return th.from_numpy(np.stack([bag[:shortest] for bag in bags])), absent


def set_confidence(
    head: Head, inputs: NDArray[np.float32], targets: NDArray[np.float32], absent: NDArray[np.bool_]
) -> None:
    """Give an ensemble its noise and its limits of spread.

    The mean squared error of the members that have not seen a sample is their spread's square and noise; what is not
    spread is noise. The limit of spread is the one that holds for 99 % of the samples.

    Args:
        head: The ensemble.
        inputs: Shape ``(n, features)``.
        targets: Shape ``(n, outputs)``.
        absent: Whether a member has not seen a sample, shape ``(members, n)``.
    """
    said = head.members(inputs)
    spread = said.std(axis=0)
    weight = absent[:, :, None].astype(np.float64)
    count = weight.sum(axis=0)
    known = count[:, 0] > 0
    mean = (said * weight).sum(axis=0)[known] / count[known]
    squared = ((mean - targets[known]) ** 2).mean(axis=0) - (spread[known] ** 2).mean(axis=0)
    head.noise.copy_(th.from_numpy(np.sqrt(np.maximum(squared, 0.0)).astype(np.float32)))
    head.spread_limit.copy_(th.from_numpy(np.quantile(spread, CONFIDENT, axis=0).astype(np.float32)))


def check_settings(config: PuePredictorConfig, device: str) -> None:
    """Refuse settings that are not possible.

    Raises:
        UsageError: Naming the key.
    """
    if device not in ("cpu", "auto"):
        raise UsageError(f"agent={AGENT} computes on device=cpu, got {device}: its networks are too small for a GPU")
    if config.learning_rate_schedule not in ("constant", "linear"):
        raise UsageError(
            f"agent.learning_rate_schedule must be constant or linear, got {config.learning_rate_schedule!r}"
        )
    for key, low, high in (("members", 2, 1000), ("days", 2, 366)):
        if not low <= getattr(config, key) <= high:
            raise UsageError(f"agent.{key} must be from {low} to {high}, got {getattr(config, key)}")
    if config.l2 < 0.0:
        raise UsageError(f"agent.l2 must be at least 0, got {config.l2}")
    if not 0.1 <= config.train_share <= 0.9:
        raise UsageError(f"agent.train_share must be from 0.1 to 0.9, got {config.train_share}")
    if not config.weather or len(config.weather) != len(config.workload):
        raise UsageError(
            "agent.weather and agent.workload name the same years, so they must be lists of one length, got "
            f"{config.weather} and {config.workload}"
        )
