"""`SpriteEnv`: find the ring, whatever else moves."""

from __future__ import annotations

from typing import Any

from rlkit.envs.batch import SingleEnv
from rlkit.envs.sprite.vector import SpriteVectorEnv


class SpriteEnv(SingleEnv):
    """A sprite on a board of fields looks for a ring while distractors move about.

    ## Description
    The smallest task in which control of pixels is worth learning: the sprite is the only thing on the picture that
    obeys, other things move as well, and the reward is rare. An agent that has learned what it can change has learned
    where it is. It is the diagnostic of auxiliary tasks, and fast enough for tests.

    ## Action space
    ``Discrete(5)``: stay, up, down, left, right, by one field; the board's edge holds.

    ## Observation space
    ``Box(0, 255, (frame_stack, 3 fields, 3 fields), uint8)``: the last frames, the newest last; before the episode's
    first they are black. Sprite 255, distractors 170, ring 90 with a black middle; 3x3 pixels each, the sprite in
    front.

    ## Reward
    1 on reaching the ring, else 0.

    ## Start
    Ring, sprite and distractors on fields drawn at random, the sprite not on the ring.

    ## End
    Terminated on the ring; truncated after ``max_steps``. ``info["is_success"]`` tells which.

    ## Arguments
    * ``fields``: along the board's edge.
    * ``distractors``: that move at random, by at most a field a step in each direction.
    * ``frame_stack``: frames in an observation.
    * ``max_steps``.

    ## Versions
    * v0: the first.
    """

    metadata: dict[str, Any] = SpriteVectorEnv.metadata

    def __init__(
        self,
        *,
        fields: int = 14,
        distractors: int = 2,
        frame_stack: int = 2,
        max_steps: int = 60,
        render_mode: str | None = None,
    ) -> None:
        batch = SpriteVectorEnv(
            1,
            fields=fields,
            distractors=distractors,
            frame_stack=frame_stack,
            max_steps=max_steps,
            autoreset_mode="disabled",
            copy=False,
            render_mode=render_mode,
        )
        super().__init__(batch)
        self.metadata = batch.metadata
