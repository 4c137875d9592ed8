"""Makes ``pixel_control.npz`` with DeepMind's rlax: ``python make_golden.py`` where ``pip install rlax==0.1.9`` is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).with_name("pixel_control.npz")
CASES = {  # name: T, height, width, channels, cell, actions, random terminals
    "unreal": (7, 80, 80, 1, 4, 6, True),
    "colour": (5, 12, 20, 3, 4, 3, False),
    "one_step": (1, 6, 6, 2, 3, 4, True),
    "single_pixels": (9, 5, 7, 1, 1, 2, True),
}


def draw(rng: np.random.Generator, case: tuple[int, int, int, int, int, int, bool]) -> dict[str, np.ndarray]:
    """A random sequence."""
    steps, height, width, channels, cell, actions, terminals = case
    frames = rng.integers(0, 256, (steps + 1, height, width, channels), dtype=np.uint8)
    discount = np.full(steps, 0.9, dtype=np.float32)
    if terminals:
        discount[rng.random(steps) < 0.3] = 0.0
    return {
        "frames": frames,
        "actions": rng.integers(0, actions, steps),
        "values": rng.normal(size=(steps + 1, height // cell, width // cell, actions)).astype(np.float32),
        "discount": discount,
        "cell": np.array(cell),
    }


def main() -> None:
    """Write the file."""
    import rlax

    rng, arrays = np.random.default_rng(5), {}
    for name, case in CASES.items():
        drawn = draw(rng, case)
        frames = drawn["frames"].astype(np.float32) / 255
        drawn["rewards"] = np.asarray(rlax.pixel_control_rewards(frames, case[4]))
        drawn["loss"] = np.asarray(
            rlax.pixel_control_loss(frames, drawn["actions"], drawn["values"], drawn["discount"], case[4])
        )
        arrays.update({f"{name}/{key}": value for key, value in drawn.items()})
    np.savez_compressed(GOLDEN, **arrays)


if __name__ == "__main__":
    main()
