"""What the fork server of `commands` does once, before any command: imports, and kernels from Numba's cache."""

import gymnasium
import numpy as np
import sb3_contrib  # noqa: F401
import torch
import uvicorn  # noqa: F401

import rlkit.rewards.page.app
import rlkit.training.report
import rlkit.training.run  # noqa: F401
from rlkit.envs.negotiation import evaluation
from rlkit.envs.negotiation.opponents import OPPONENTS

torch.set_num_threads(1)  # small networks; and a pool of threads would not survive the fork
torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # the first optimizer imports much of PyTorch
for mode in ("same_step", "disabled"):
    envs = gymnasium.make_vec("rlkit/Negotiation-v0", num_envs=40, opponent=list(OPPONENTS), autoreset_mode=mode)
    envs.reset(seed=0)
    envs.step(np.zeros(40, dtype=np.int64))
evaluation.play_games("linear", ["linear"], np.arange(2, dtype=np.int32), {})
