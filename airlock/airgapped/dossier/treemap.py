"""Where each artifact goes in a picture whose areas are sizes, by the library squarify (Bruls, Huizing and van Wijk, 2000)."""

from collections.abc import Sequence
from dataclasses import dataclass

from squarify import normalize_sizes, squarify


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A rectangle, in hundredths of the picture's unit, so that no platform's rounding shows."""

    number: int
    """Of the size that it stands for."""
    x: int
    y: int
    width: int
    height: int


def treemap(sizes: Sequence[int], width: int, height: int) -> tuple[Tile, ...]:
    """The largest first; what has no size has no tile."""
    order = sorted(
        (number for number, size in enumerate(sizes) if size), key=lambda number: (-sizes[number], number)
    )
    if not order:
        return ()
    found = squarify(normalize_sizes([sizes[number] for number in order], width, height), 0, 0, width, height)
    tiles = []
    for number, one in zip(order, found, strict=True):
        left, top = round(one["x"] * 100), round(one["y"] * 100)
        right, bottom = round((one["x"] + one["dx"]) * 100), round((one["y"] + one["dy"]) * 100)
        tiles.append(Tile(number=number, x=left, y=top, width=right - left, height=bottom - top))
    return tuple(tiles)
