"""Drawing with Pillow: smooth shapes and text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image, ImageFont

OVERSAMPLING = 3  # Pillow draws hard edges: draw larger, then shrink

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
                "drawing needs Pillow, which is not installed: run `pip install 'pillow>=10.1'` "
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

    def paste(self, x: float, y: float, image: Image.Image) -> None:
        """An image of the oversampled size, with its transparency, by its upper left corner."""
        self._image.paste(image, (round(x * OVERSAMPLING), round(y * OVERSAMPLING)), image)

    def gradient(self, box: Box, left: str, right: str) -> None:
        """A rectangle that fades from one colour to another."""
        from PIL import Image, ImageColor

        x0, y0, x1, y1 = (round(number) for number in _scaled(box))
        ends = np.array([ImageColor.getrgb(left)[:3], ImageColor.getrgb(right)[:3]], dtype=np.float64)
        share = np.linspace(0.0, 1.0, max(x1 - x0, 1))[None, :, None]
        pixels = np.broadcast_to(ends[0] + share * (ends[1] - ends[0]), (max(y1 - y0, 1), max(x1 - x0, 1), 3))
        self._image.paste(Image.fromarray(pixels.round().astype(np.uint8)), (x0, y0))


def _scaled(numbers: Sequence[float]) -> list[float]:
    return [number * OVERSAMPLING for number in numbers]


@lru_cache(maxsize=32)
def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)
