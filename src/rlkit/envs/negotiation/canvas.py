"""Drawing of games: the icons of a book, a hat and a ball."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rlkit.envs import canvas
from rlkit.envs.canvas import OVERSAMPLING

if TYPE_CHECKING:
    from PIL import Image

ICON_UNITS = 24  # the icons are designed on a grid of this size

BOOK, BOOK_DARK, PAPER = "#2a8f86", "#1c6a63", "#f3efe4"
HAT, HAT_BAND = "#3a3f55", "#c8496b"
BALL, SEAM = "#e58a2b", "#7d4410"


class Canvas(canvas.Canvas):
    """A picture with icons of items."""

    def icon(self, x: float, y: float, item: int, size: float) -> None:
        """A book (0), hat (1) or ball (2), by its upper left corner."""
        self.paste(x, y, _icon(item, round(size * OVERSAMPLING)))


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
