"""Drawing with Pillow: smooth shapes, text, and the icons of a book, a hat and a ball."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image, ImageFont

OVERSAMPLING = 3  # Pillow draws hard edges: draw larger, then shrink
ICON_UNITS = 24  # the icons are designed on a grid of this size

BOOK, BOOK_DARK, PAPER = "#2a8f86", "#1c6a63", "#f3efe4"
HAT, HAT_BAND = "#3a3f55", "#c8496b"
BALL, SEAM = "#e58a2b", "#7d4410"

Box = tuple[float, float, float, float]


class Canvas:
    """A picture in pixels, drawn three times as large and shrunk at the end.

    Args:
        width: Of the finished picture.
        height: Of the finished picture.
        background: Any Pillow colour.

    Raises:
        ImportError: If Pillow is not installed.
    """

    def __init__(self, width: int, height: int, background: str) -> None:
        try:
            from PIL import Image, ImageDraw
        except ImportError as error:
            raise ImportError(
                "drawing a game needs Pillow, which is not installed: run `pip install 'pillow>=10.1'` "
                "(it is rlkit's extra `render`)"
            ) from error
        self.size = (width, height)
        self._image = Image.new("RGB", (width * OVERSAMPLING, height * OVERSAMPLING), background)
        self._draw = ImageDraw.Draw(self._image)

    def pixels(self) -> NDArray[np.uint8]:
        """The finished picture, shape ``(height, width, 3)``."""
        from PIL import Image

        return np.array(self._image.resize(self.size, Image.Resampling.LANCZOS), dtype=np.uint8)

    def rectangle(self, box: Box, fill: str | None, radius: float = 0, outline: str | None = None) -> None:
        """A rectangle with round corners."""
        self._draw.rounded_rectangle(_scaled(box), radius * OVERSAMPLING, fill, outline, OVERSAMPLING)

    def line(self, points: Sequence[tuple[float, float]], fill: str, width: float = 1) -> None:
        """A line through points."""
        flat = _scaled([number for point in points for number in point])
        self._draw.line(flat, fill, round(width * OVERSAMPLING), joint="curve")

    def dot(self, x: float, y: float, radius: float, fill: str | None, outline: str | None = None) -> None:
        """A disc, with an outline of one and a half pixels."""
        box = _scaled((x - radius, y - radius, x + radius, y + radius))
        self._draw.ellipse(box, fill, outline, round(1.5 * OVERSAMPLING))

    def polygon(self, points: Sequence[tuple[float, float]], fill: str) -> None:
        """A filled polygon."""
        self._draw.polygon(_scaled([number for point in points for number in point]), fill)

    def text(self, x: float, y: float, text: str, size: float, fill: str, anchor: str = "lm") -> None:
        """Text; the anchor is Pillow's: l, m or r, then t, m or s."""
        place = (x * OVERSAMPLING, y * OVERSAMPLING)
        self._draw.text(place, text, fill, _font(size * OVERSAMPLING), anchor)

    def text_width(self, text: str, size: float) -> float:
        """How wide a text would be."""
        return self._draw.textlength(text, _font(size * OVERSAMPLING)) / OVERSAMPLING

    def icon(self, x: float, y: float, item: int, size: float) -> None:
        """A book (0), hat (1) or ball (2), by its upper left corner."""
        image = _icon(item, round(size * OVERSAMPLING))
        self._image.paste(image, (round(x * OVERSAMPLING), round(y * OVERSAMPLING)), image)


def _scaled(numbers: Sequence[float]) -> list[float]:
    return [number * OVERSAMPLING for number in numbers]


@lru_cache(maxsize=32)
def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)


@lru_cache(maxsize=32)
def _icon(item: int, pixels: int) -> Image.Image:
    """An item on a transparent ground, drawn at four times its size."""
    from PIL import Image, ImageDraw

    unit = 4 * pixels / ICON_UNITS
    image = Image.new("RGBA", (4 * pixels, 4 * pixels))
    draw = ImageDraw.Draw(image)

    def at(*numbers: float) -> list[float]:
        return [number * unit for number in numbers]

    if item == 0:
        draw.rounded_rectangle(at(4, 2, 20, 22), 2 * unit, BOOK_DARK)
        draw.rectangle(at(7, 18, 19.4, 20.6), PAPER)
        draw.rounded_rectangle(at(4, 2, 20, 18.6), 1.6 * unit, BOOK)
        draw.rectangle(at(4, 3.4, 6.6, 20), BOOK_DARK)
        draw.rounded_rectangle(at(9, 6, 17.4, 8), unit, PAPER)
        draw.rounded_rectangle(at(9, 10, 14.6, 12), unit, PAPER)
    elif item == 1:
        draw.ellipse(at(1, 15.6, 23, 22), HAT)
        draw.polygon(at(6, 3, 18, 3, 17.2, 18.6, 6.8, 18.6), HAT)
        draw.ellipse(at(6, 1.4, 18, 4.8), "#565d7c")
        draw.polygon(at(6.6, 13.6, 17.4, 13.6, 17.2, 17.4, 6.8, 17.4), HAT_BAND)
    else:
        width = round(1.5 * unit)
        draw.ellipse(at(2, 2, 22, 22), BALL)
        draw.line(at(12, 2, 12, 22), SEAM, width)
        draw.line(at(2, 12, 22, 12), SEAM, width)
        draw.arc(at(-9, 3, 7.6, 21), -62, 62, SEAM, width)
        draw.arc(at(16.4, 3, 33, 21), 118, 242, SEAM, width)
        draw.ellipse(at(2, 2, 22, 22), None, SEAM, width)
    return image.resize((pixels, pixels), Image.Resampling.LANCZOS)
