"""A run of `imitation` with SAC, its evaluations printed as JSON; for a Python that has `imitation`, and not rlkit.

The agent has the settings of ours and the rewards of its whole replay are computed anew (`ReplayBufferRewardWrapper`);
the reward model, its epochs and the choice of fragments are those of the package's own example. Steps that are taken
to cut fragments from count like all others.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from functools import partial
from typing import Any

EPOCHS = 10
TOLD = "told: "  # before each line of ours: the package prints, too


class Ended(Exception):
    """All steps are taken."""


def main(task: dict[str, Any]) -> None:
    """Print a line for each evaluation: steps, CPU seconds of learning, mean return; then the judgement at the end.

    Args:
        task: What :func:`rlkit.studies.peer.task_of` gives.
    """
    import gymnasium as gym
    import numpy as np
    import torch as th
    from imitation.algorithms import preference_comparisons as pc
    from imitation.policies.replay_buffer_wrapper import ReplayBufferRewardWrapper
    from imitation.rewards.reward_nets import BasicRewardNet, NormalizedRewardNet
    from imitation.util.logger import configure
    from imitation.util.networks import RunningNorm
    from stable_baselines3 import SAC
    from stable_baselines3.common.buffers import ReplayBuffer
    from stable_baselines3.common.vec_env import DummyVecEnv, VecEnvWrapper

    class Counted(VecEnvWrapper):
        """Environments that count their steps and have the agent evaluated."""

        def __init__(self, venv: Any) -> None:
            super().__init__(venv)
            self.steps, self.told, self.apart_s = 0, 0, time.process_time()

        def reset(self) -> Any:
            return self.venv.reset()

        def step_wait(self) -> Any:
            stepped = self.venv.step_wait()
            self.steps += self.num_envs
            if self.steps // task["eval_every"] > self.told:
                self.told = self.steps // task["eval_every"]
                began = time.process_time()
                row = [self.steps, began - self.apart_s, mean_return(task["eval_episodes"])]
                print(TOLD + json.dumps(row), flush=True)
                self.apart_s += time.process_time() - began
            if self.steps >= task["steps"]:
                raise Ended
            return stepped

    def mean_return(episodes: int) -> float:
        """Of the greedy policy on the seeds that ours is judged on."""
        returns = np.zeros(episodes)
        for number in range(episodes):
            obs, _ = judged.reset(seed=task["eval_seed"] + number)
            over = False
            while not over:
                obs, reward, terminated, truncated, _ = judged.step(agent.predict(obs, deterministic=True)[0])
                returns[number] += float(reward)
                over = terminated or truncated
        return float(returns.mean())

    th.set_num_threads(1)
    th.manual_seed(task["seed"])
    rng, quiet = np.random.default_rng(task["seed"]), configure(format_strs=())
    make = partial(gym.make, task["env_id"], **task["env_kwargs"])
    judged, venv = make(), Counted(DummyVecEnv([make] * task["n_envs"]))
    venv.seed(task["seed"])
    spaces = (venv.observation_space, venv.action_space)
    net = BasicRewardNet(*spaces, normalize_input_layer=RunningNorm)
    reward = NormalizedRewardNet(net, normalize_output_layer=RunningNorm)
    relabel = partial(reward.predict_processed, update_stats=False)
    replay = {"replay_buffer_class": ReplayBuffer, "reward_fn": relabel, "handle_timeout_termination": True}
    agent = SAC(
        "MlpPolicy",
        venv,
        seed=task["seed"],
        replay_buffer_class=ReplayBufferRewardWrapper,
        replay_buffer_kwargs=replay,
        **task["sac"],
    )
    model = pc.PreferenceModel(net)
    comparisons = pc.PreferenceComparisons(
        pc.AgentTrainer(agent, reward, venv, rng=rng),
        reward,
        num_iterations=task["rounds"],
        fragmenter=pc.RandomFragmenter(rng=rng, warning_threshold=0),
        preference_gatherer=pc.SyntheticGatherer(temperature=0, rng=rng),
        reward_trainer=pc.BasicRewardTrainer(model, pc.CrossEntropyRewardLoss(), rng=rng, epochs=EPOCHS),
        fragment_length=task["segment"],
        transition_oversampling=task["sampled"] / (2 * task["labels"] * task["segment"]),
        initial_comparison_frac=task["first"],
        initial_epoch_multiplier=4.0,
        custom_logger=quiet,
        allow_variable_horizon=False,
        query_schedule="hyperbolic",
    )
    with suppress(Ended):
        comparisons.train(task["steps"], task["labels"])
    print(TOLD + json.dumps(mean_return(task["final_episodes"])), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
