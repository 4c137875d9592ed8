"""`SpriteEnv`: find yourself, then the ring."""

from __future__ import annotations

from typing import Any

from rlkit.envs.batch import SingleEnv
from rlkit.envs.sprite.vector import SpriteVectorEnv


class SpriteEnv(SingleEnv):
    """A sprite among decoys that look as it does has to get onto a ring.

    ## Description
    The smallest task in which control of pixels is worth learning. The sprite obeys, and only that tells it from the
    decoys: where it is must be seen from what moved. The reward is rare and teaches that slowly, pixel control at every
    step; the rest, the way to a ring that is always at one place, is easy. It is the diagnostic of auxiliary tasks
    (`docs/results/pixel-control.md`), and fast enough for tests.

    ## Action space
    ``Discrete(5)``: stay, up, down, left, right, by one field; the board's edge holds.

    ## Observation space
    ``Box(0, 255, (frame_stack, 3 fields, 3 fields), uint8)``: the last frames, the newest last; before the episode's
    first they are black. Sprite and decoys 255, distractors 170, ring 90 with a black middle; 3x3 pixels each, the ring
    behind the others and the sprite in front.

    ## Reward
    1 on reaching the ring, else 0.

    ## Start
    The ring is on the second field of the second row. Sprite, decoys and distractors are on fields drawn at random, the
    sprite not on the ring.

    ## End
    Terminated on the ring; truncated after ``max_steps``. ``info["is_success"]`` tells which.

    ## Arguments
    * ``fields``: along the board's edge.
    * ``distractors``: that move at random, by at most a field a step in each direction.
    * ``decoys``: that stay where they are.
    * ``frame_stack``: frames in an observation; with one frame there is no telling who moved.
    * ``max_steps``.

    ## Versions
    * v0: the first.
    """

    metadata: dict[str, Any] = SpriteVectorEnv.metadata

    def __init__(
        self,
        *,
        fields: int = 10,
        distractors: int = 1,
        decoys: int = 15,
        frame_stack: int = 2,
        max_steps: int = 40,
        render_mode: str | None = None,
    ) -> None:
        batch = SpriteVectorEnv(
            1,
            fields=fields,
            distractors=distractors,
            decoys=decoys,
            frame_stack=frame_stack,
            max_steps=max_steps,
            autoreset_mode="disabled",
            copy=False,
            render_mode=render_mode,
        )
        super().__init__(batch)
        self.metadata = batch.metadata
