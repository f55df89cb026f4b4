"""How a picture is magnified, and which part of it is seen then."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from sdtui.tui.images.halfcell import Sized

LARGEST_SCALE = 32.0
"""Screen pixels for each pixel of the picture."""


@dataclass(frozen=True)
class Viewport:
    """The visible part of a picture, in its pixels."""

    left: float
    top: float
    width: float
    height: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, as Pillow takes them."""
        return self.left, self.top, self.left + self.width, self.top + self.height


@dataclass(frozen=True)
class Zoom:
    """A magnification and the point of the picture in the middle of the view.

    The methods take the picture and the view (`area`), both with their sizes in pixels: of the
    picture, and of the screen.
    """

    scale: float | None = None
    """Screen pixels for each pixel of the picture; None makes it as large as fits."""
    x: float = 0.5
    y: float = 0.5
    """The point in the middle, as fractions of the picture's width and height."""

    @property
    def is_fit(self) -> bool:
        """True if the whole picture is seen."""
        return self.scale is None

    def scale_in(self, picture: Sized, area: Sized) -> float:
        """Return the screen pixels for each pixel of the picture; never fewer than fit."""
        return max(self.scale or 0.0, fit_scale(picture, area))

    def viewport(self, picture: Sized, area: Sized) -> Viewport:
        """Return the visible part. It never reaches beyond the picture."""
        scale = self.scale_in(picture, area)
        width = min(picture.width, area.width / scale)
        height = min(picture.height, area.height / scale)
        left = min(max(0.0, self.x * picture.width - width / 2), picture.width - width)
        top = min(max(0.0, self.y * picture.height - height / 2), picture.height - height)
        return Viewport(left, top, width, height)

    def point_at(self, at: tuple[float, float], picture: Sized, area: Sized) -> tuple[float, float]:
        """Return the point of the picture, in its pixels, that is seen at a point of the view,
        which is given as fractions of its width and height. May lie outside of the picture."""
        part, scale = self.viewport(picture, area), self.scale_in(picture, area)
        across, down = ((at[0] - 0.5) * area.width, (at[1] - 0.5) * area.height)
        return (
            part.left + part.width / 2 + across / scale,
            part.top + part.height / 2 + down / scale,
        )

    def magnified(
        self, steps: int, picture: Sized, area: Sized, at: tuple[float, float] = (0.5, 0.5)
    ) -> Zoom:
        """Return the zoom some powers of two larger, or smaller for a negative number, down to what
        fits. The point of the picture at `at` (fractions of the view) stays where it is."""
        zoom = self
        for _ in range(abs(steps)):
            scale = _next_power_of_two(zoom.scale_in(picture, area), larger=steps > 0)
            zoom = zoom.scaled(scale, picture, area, at)
        return zoom

    def scaled(
        self, scale: float, picture: Sized, area: Sized, at: tuple[float, float] = (0.5, 0.5)
    ) -> Zoom:
        """Return the zoom with another scale, within the limits. The point of the picture at `at`
        (fractions of the view) stays where it is."""
        if scale <= fit_scale(picture, area) * (1 + 1e-6):
            return Zoom()
        scale = min(scale, max(LARGEST_SCALE, self.scale_in(picture, area)))
        x, y = self.point_at(at, picture, area)
        x -= (at[0] - 0.5) * area.width / scale
        y -= (at[1] - 0.5) * area.height / scale
        return replace(self, scale=scale)._centred(x, y, picture, area)

    def panned(self, right: float, down: float, picture: Sized, area: Sized) -> Zoom:
        """Return the zoom moved by fractions of the visible part, no further than the edges."""
        part = self.viewport(picture, area)
        x = part.left + part.width * (0.5 + right)
        y = part.top + part.height * (0.5 + down)
        return self._centred(x, y, picture, area)

    def _centred(self, x: float, y: float, picture: Sized, area: Sized) -> Zoom:
        moved = replace(self, x=x / picture.width, y=y / picture.height)
        part = moved.viewport(picture, area)
        return replace(
            moved,
            x=(part.left + part.width / 2) / picture.width,
            y=(part.top + part.height / 2) / picture.height,
        )


def _next_power_of_two(scale: float, *, larger: bool) -> float:
    power = math.log2(scale)
    nearest = round(power)
    if math.isclose(power, nearest, abs_tol=1e-6):
        return 2.0 ** (nearest + 1 if larger else nearest - 1)
    return 2.0 ** (math.ceil(power) if larger else math.floor(power))


def fit_scale(picture: Sized, area: Sized) -> float:
    """Return the scale at which the whole picture is as large as fits."""
    return min(area.width / picture.width, area.height / picture.height)


def percentage(zoom: Zoom, picture: Sized, area: Sized) -> str:
    """Return the scale for captions, such as "37 %"; with "fit" if the whole picture is seen."""
    text = f"{zoom.scale_in(picture, area) * 100:.0f} %"
    return f"fit {text}" if zoom.is_fit else text
