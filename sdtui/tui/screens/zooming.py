"""What full screen and compare have in common: keys and mouse that magnify and move pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeVar

from textual import on
from textual.binding import BindingType

from sdtui.tui.bindings import bindings_in
from sdtui.tui.images.zoom import Zoom
from sdtui.tui.images.zoom_view import ZoomView
from sdtui.tui.textual_internals.screens import SteadyScreen

_Answer = TypeVar("_Answer")

_STEP = 0.25
"""The part of what is seen by which a key moves a picture."""
_MOVES = ("left", "right", "up", "down")


class ZoomingScreen(SteadyScreen[_Answer]):
    """Shows pictures that are magnified and moved together."""

    ZOOM_BINDINGS: ClassVar[list[BindingType]] = bindings_in("zoom")

    def __init__(self) -> None:
        super().__init__()
        self.zoom = Zoom()

    def zoom_views(self) -> Sequence[ZoomView]:
        """Return the visible views. What they show has the same size."""
        raise NotImplementedError

    def show_caption(self) -> None:
        """Called when the zoom has changed."""
        raise NotImplementedError

    def set_zoom(self, zoom: Zoom) -> None:
        """Magnify and move all visible pictures."""
        was_fit = self.zoom.is_fit
        self.zoom = zoom
        for view in self.zoom_views():
            view.zoom = zoom
        if was_fit is not zoom.is_fit:
            self.refresh_bindings()
        self.show_caption()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the arrows to other actions while there is nothing to move."""
        if action in _MOVES:
            return not self.zoom.is_fit
        return super().check_action(action, parameters)

    def action_larger(self) -> None:
        self._magnify(1)

    def action_smaller(self) -> None:
        self._magnify(-1)

    def action_fit(self) -> None:
        self.set_zoom(Zoom())

    def action_actual(self) -> None:
        """Show each pixel of the picture as one of the screen, or again as much as fits."""
        view = self.zoom_views()[0]
        if view.image is None or not view.size:
            return
        is_actual = self.zoom.scale_in(view.image, view.area) == 1
        self.set_zoom(Zoom() if is_actual else self.zoom.scaled(1, view.image, view.area))

    def action_left(self) -> None:
        self._move(-_STEP, 0)

    def action_right(self) -> None:
        self._move(_STEP, 0)

    def action_up(self) -> None:
        self._move(0, -_STEP)

    def action_down(self) -> None:
        self._move(0, _STEP)

    def _magnify(self, steps: int, at: tuple[float, float] = (0.5, 0.5)) -> None:
        view = self.zoom_views()[0]
        if view.image is not None and view.size:
            self.set_zoom(self.zoom.magnified(steps, view.image, view.area, at))

    def _move(self, right: float, down: float) -> None:
        view = self.zoom_views()[0]
        if view.image is not None and view.size:
            self.set_zoom(self.zoom.panned(right, down, view.image, view.area))

    @on(ZoomView.Resized)
    def _resized(self) -> None:
        self.resized()

    def resized(self) -> None:
        """Called when a view has got another size."""
        self.show_caption()

    @on(ZoomView.Scrolled)
    def _scrolled(self, event: ZoomView.Scrolled) -> None:
        self._magnify(event.steps, event.at)

    @on(ZoomView.Dragged)
    def _dragged(self, event: ZoomView.Dragged) -> None:
        self.drag(event)

    def drag(self, event: ZoomView.Dragged) -> None:
        """Called when a picture is dragged: by default the pictures move with the pointer."""
        view = self.zoom_views()[0]
        if view.image is not None and view.size and not self.zoom.is_fit:
            part, area = self.zoom.viewport(view.image, view.area), view.area
            scale = self.zoom.scale_in(view.image, area)
            right = -event.right * area.width / scale / part.width
            down = -event.down * area.height / scale / part.height
            self._move(right, down)
