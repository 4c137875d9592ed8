"""About how long a DQN takes to learn from pixels, told before it begins.

CPU milliseconds of one thread, measured with the tuned settings of each stage (two shared cores, PyTorch 2.13;
docs/dqn.md): a faster machine takes less, and what a run really takes is shown while it goes on.
"""

from __future__ import annotations

from typing import Any

from rlkit.agents.dqn import DQN
from rlkit.agents.dqn.networks import Trunk
from rlkit.training.config import RunConfig

STEP_MS = {"sprite": 0.05, "minatar": 0.1, "arcade": 0.7, "doom": 1.5}  # acting included
DRAWN_STEP_MS = {"negotiation": 60.0, "cooling": 90.0, "locomotion": 45.0}  # the negotiation's is drawn at both ends
OTHER_STEP_MS = 3.0  # Gymnasium's classic control, drawn
UPDATE_MS = {"nature": (43.0, 84 * 84), "nips": (29.0, 84 * 84), "small": (18.0, 42 * 42), "grid": (5.3, 100)}
BATCH = 32  # of these updates, for pictures of so many pixels
MORE = {  # of an update's time, for each auxiliary task: usually, and with the trunk `grid`
    "pixel_control": (0.35, 0.65),
    "pixel_control, own sequences": (0.6, 1.1),
    "reward_prediction": (1.1, 1.1),
    "feature_control": (0.6, 1.1),
}


def told(model: Any, config: RunConfig, steps: int) -> str | None:
    """A line about the time that so many steps of learning take; None for other agents, or without pictures.

    Args:
        model: What learns.
        config: Of its run.
        steps: That are left.
    """
    trunk = model.q_net.features_extractor if isinstance(model, DQN) else None
    if not isinstance(trunk, Trunk):
        return None
    height, width = model.observation_space.shape[-2:]
    taken = minutes(config, trunk.name, height * width, steps)
    about = f"{taken / 60:.1f} hours" if taken >= 100 else f"{taken:.0f} minutes" if taken >= 1.5 else "a minute"
    return f"Learning takes about {about} on one core, evaluations apart (docs/dqn.md has the figures behind this)"


def minutes(config: RunConfig, trunk: str, pixels: int, steps: int) -> float:
    """CPU minutes that so many steps of learning take, about.

    Args:
        config: Of the run.
        trunk: A name in ``TRUNKS``.
        pixels: Of a picture.
        steps: That are left.
    """
    agent, env, n_envs = config.agent, config.env, config.num_envs()
    step_ms = (DRAWN_STEP_MS if env.pixels else STEP_MS).get(env.name, OTHER_STEP_MS)
    base_ms, usual_pixels = UPDATE_MS[trunk]
    names = [
        "pixel_control, own sequences" if name == "pixel_control" and not agent.auxiliary.shared else name
        for name in agent.auxiliary.tasks
    ]
    more = sum(MORE[name][trunk == "grid"] for name in names)
    update_ms = base_ms * pixels / usual_pixels * agent.batch_size / BATCH * (1.0 + more)
    updates = 1.0 if agent.gradient_steps < 0 else agent.gradient_steps / (agent.train_freq * n_envs)
    waiting = max(agent.learning_starts - (config.steps - steps), 0)  # a run that goes on may have waited before
    learning = max(steps - waiting, 0) * updates * update_ms
    return (steps * step_ms + learning) / 60_000
