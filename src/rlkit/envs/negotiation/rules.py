"""The rules of the item-split game, as constants and tables.

The game is *Deal or No Deal* (Lewis et al. 2017, arXiv:1706.05125, section 2) with the alternating
offers of OpenSpiel's ``bargaining``: a pool of books, hats and balls is divided between two players who
value the items differently and do not see each other's values. Offers are numbered as OpenSpiel numbers
them, so that policies and traces can be exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ITEM_NAMES = ("book", "hat", "ball")
NUM_ITEMS = 3
POOL_MIN = 5  # fewest items in a pool (OpenSpiel bargaining.h, kPoolMinNumItems)
POOL_MAX = 7  # most items in a pool (kPoolMaxNumItems)
TOTAL_VALUE = 10  # what the whole pool is worth to each player (kTotalValueAllItems)

DEFAULT_MAX_TURNS = 10  # kDefaultMaxTurns

# What the proposer keeps, the first item fastest: bargaining.cc, BargainingGame::CreateOffers.
OFFERS: NDArray[np.int8] = np.array(
    [
        (books, hats, balls)
        for balls in range(POOL_MAX + 1)
        for hats in range(POOL_MAX + 1)
        for books in range(POOL_MAX + 1)
        if books + hats + balls <= POOL_MAX
    ],
    dtype=np.int8,
)
OFFERS.setflags(write=False)
NUM_OFFERS = len(OFFERS)  # 120
AGREE = NUM_OFFERS  # take the complement of the last offer
WALK_AWAY = NUM_OFFERS + 1  # end without a deal (only with walk_away=True)

ITEM_BITS = POOL_MAX + 1  # thermometer code of a count 0..7
VALUE_BITS = TOTAL_VALUE + 1  # thermometer code of a value 0..10
_CODED_OFFER = NUM_ITEMS * ITEM_BITS
_CODED_VALUES = NUM_ITEMS * VALUE_BITS

_OFFER_INDEX = {tuple(int(n) for n in offer): index for index, offer in enumerate(OFFERS)}


def offer_index(books: int, hats: int, balls: int) -> int:
    """Number of the offer in which the proposer keeps these items.

    Args:
        books: Books the proposer keeps.
        hats: Hats the proposer keeps.
        balls: Balls the proposer keeps.

    Returns:
        The action in ``0..119``.

    Raises:
        ValueError: If no offer keeps these counts.

    Example:
        >>> offer_index(1, 0, 0), offer_index(0, 1, 0), offer_index(0, 0, 7)
        (1, 8, 119)
    """
    try:
        return _OFFER_INDEX[(books, hats, balls)]
    except KeyError:
        raise ValueError(
            f"no offer keeps {(books, hats, balls)}: counts are whole numbers from 0 to {POOL_MAX} "
            f"that add up to at most {POOL_MAX}"
        ) from None


def item_list(counts: Sequence[int] | NDArray[np.integer]) -> str:
    """Items in words.

    Example:
        >>> item_list((1, 0, 2))
        '1 book, 2 balls'
    """
    words = [f"{n} {name}{'s' if n != 1 else ''}" for n, name in zip(counts, ITEM_NAMES, strict=True) if n]
    return ", ".join(words) or "nothing"


def observation_size(max_turns: int) -> int:
    """Length of an observation: 93 with the default ten turns.

    Example:
        >>> observation_size(10)
        93
    """
    return 1 + (max_turns + 1) + _CODED_OFFER + _CODED_VALUES + _CODED_OFFER


def pool_offset(max_turns: int) -> int:
    """Index of the first pool bit in an observation."""
    return 1 + (max_turns + 1)


def values_offset(max_turns: int) -> int:
    """Index of the first bit of the player's own values in an observation."""
    return pool_offset(max_turns) + _CODED_OFFER


def offer_offset(max_turns: int) -> int:
    """Index of the first bit of the last offer in an observation."""
    return values_offset(max_turns) + _CODED_VALUES


def thermometer(counts: NDArray[np.integer], bits: int) -> NDArray[np.float32]:
    """Thermometer code: bits ``0..n`` of a count ``n`` are set (OpenSpiel, ObservationTensor).

    Args:
        counts: Whole numbers below ``bits``, shape ``(..., 3)``.
        bits: Bits a count takes.

    Returns:
        Zeros and ones, shape ``(..., 3 * bits)``.
    """
    code = np.arange(bits) <= np.asarray(counts)[..., None]
    return code.reshape(*code.shape[:-2], -1).astype(np.float32)
