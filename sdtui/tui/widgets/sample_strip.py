"""Pictures that a training has made, next to each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from sdtui.core.text import one_line
from sdtui.requests.training.status import TrainingSample
from sdtui.tui.images.loader import ShownPicture
from sdtui.tui.images.view import PictureView
from sdtui.tui.messages import message

_MOST = 4
"""Pictures at once: each of them may be sent to the terminal by its own protocol."""
_COLUMNS = 18
"""Of a picture; fewer pictures are shown if they would get less."""


class SampleCell(Vertical):
    """A picture with its step and prompt."""

    @message
    class Chosen(Message):
        """The picture was clicked."""

        sample: TrainingSample

    def __init__(self, view: PictureView) -> None:
        super().__init__()
        self._view = view
        self._caption = Static(classes="caption")
        self.sample: TrainingSample | None = None

    def compose(self) -> ComposeResult:
        yield self._view
        yield self._caption

    def show(self, sample: TrainingSample | None, *, is_chosen: bool) -> None:
        """Show a sample, or none; the chosen one is marked."""
        self.display = sample is not None
        self.set_class(is_chosen, "-chosen")
        if sample is not None:
            sign = "▸" if is_chosen else " "
            self._caption.update(Content(f"{sign}{sample.step}  {one_line(sample.prompt)}"))
        if sample is not None and (self.sample is None or sample.path != self.sample.path):
            picture = ShownPicture(Path(sample.path))
            self.call_after_refresh(self._view.show_picture, picture)  # once there is room for it
        self.sample = sample

    def on_click(self, event: events.Click) -> None:
        if self.sample is not None:
            event.stop()
            self.post_message(self.Chosen(self.sample))


class SampleStrip(Horizontal):
    """Shows as many samples as fit, one of which is chosen."""

    DEFAULT_CSS = """
    SampleStrip {
        height: 1fr;
        SampleCell { width: 1fr; height: 1fr; padding: 0 1 0 0; }
        .caption {
            height: 1;
            color: $text-muted;
            text-align: center;
            text-wrap: nowrap;
            text-overflow: ellipsis;
        }
        .-chosen .caption { color: $accent; text-style: bold; }
    }
    """

    def __init__(self, new_view: Callable[[], PictureView]) -> None:
        super().__init__()
        self._cells = [SampleCell(new_view()) for _ in range(_MOST)]
        self._samples: Sequence[TrainingSample] = ()
        self._chosen = 0

    def compose(self) -> ComposeResult:
        yield from self._cells

    @property
    def chosen(self) -> TrainingSample | None:
        """The chosen sample."""
        return self._samples[self._chosen] if self._samples else None

    def show(self, samples: Sequence[TrainingSample]) -> None:
        """Show these samples; that of the same prompt stays chosen."""
        self._samples = samples
        self.choose(self._chosen)

    def choose(self, place: int) -> None:
        """Choose the sample at a place, and show those around it."""
        self._chosen = max(0, min(place, len(self._samples) - 1))
        self.display = bool(self._samples)
        count = max(1, min(_MOST, self.parent_width // _COLUMNS))
        first = max(0, min(self._chosen - count // 2, len(self._samples) - count))
        shown = [*self._samples[first : first + count]]
        for number, cell in enumerate(self._cells):
            sample = shown[number] if number < len(shown) else None
            cell.show(sample, is_chosen=first + number == self._chosen and len(self._samples) > 1)

    def step(self, by: int) -> None:
        """Choose another sample."""
        self.choose(self._chosen + by)

    @property
    def parent_width(self) -> int:
        """The columns that there are, also while no sample is shown."""
        return self.parent.size.width if isinstance(self.parent, Vertical) else self.size.width

    def on_resize(self) -> None:
        self.choose(self._chosen)

    def on_sample_cell_chosen(self, event: SampleCell.Chosen) -> None:
        """Choose a sample that was clicked; of the chosen one the screen hears."""
        if event.sample != self.chosen:
            event.stop()
            self.choose(list(self._samples).index(event.sample))
