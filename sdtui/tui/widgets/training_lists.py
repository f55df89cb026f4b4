"""The lists of trainings and of a training's checkpoints."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive

from sdtui.core.text import one_line
from sdtui.requests.training.status import TrainingCheckpoint, TrainingStatus
from sdtui.tui.styles import theme_style
from sdtui.tui.training_text import CONDITION_SIGNS, progress_text
from sdtui.tui.widgets.virtual_list import VirtualList

_LEAST_NAME = 8
"""Columns of a name; what follows it is left out if it would get fewer."""


class TrainingList(VirtualList[TrainingStatus]):
    """One training a line: its condition, its name and how far it has come."""

    def item_text(self, item: TrainingStatus, width: int) -> Text:
        sign, colour = CONDITION_SIGNS[item.condition]
        end = f" {progress_text(item)}"
        if width - len(end) - 2 < _LEAST_NAME:
            end = ""
        line = Text().append(f"{sign} ", theme_style(self.app, colour)).append(one_line(item.name))
        line.truncate(max(1, width - len(end)), overflow="ellipsis", pad=True)
        return line.append(end, theme_style(self.app, "muted"))

    def show(self, trainings: list[TrainingStatus]) -> None:
        """Show these trainings; the cursor stays on its own."""
        name = self.selected.name if self.selected else ""
        names = [each.name for each in trainings]
        self.show_items(trainings)
        if name in names:
            self.cursor = names.index(name)

    def go_to(self, name: str) -> None:
        """Put the cursor on a training."""
        names = [each.name for each in self.items]
        if name in names:
            self.move_to(names.index(name))


class CheckpointList(VirtualList[TrainingCheckpoint]):
    """One checkpoint a line: its step, and the smoothed loss at it."""

    lowest: reactive[int] = reactive(-1)
    """The step of the one with the lowest loss; -1 if there is no other."""
    lora_step: reactive[int] = reactive(0)
    """The step of the one that is the LoRA."""

    def item_text(self, item: TrainingCheckpoint, width: int) -> Text:
        line = Text(f"{item.step:>6}")
        if item.smoothed:
            line.append(f"  {item.smoothed:.4f}", theme_style(self.app, "muted"))
        if item.step == self.lora_step:
            line.append("  LoRA", theme_style(self.app, "accent"))
        if item.step == self.lowest:
            line.append(
                "  lowest" if width > line.cell_len + 7 else " ↓", theme_style(self.app, "done")
            )
        return line

    def show(self, status: TrainingStatus | None) -> None:
        """Show the checkpoints of a training, the newest first. The cursor stays on its own with
        the focus, else it is on the newest."""
        step = self.selected.step if self.selected else -1
        checkpoints = status.checkpoints if status else ()
        self.lora_step = status.lora_step if status else 0
        newest_first = checkpoints[::-1]
        with_loss = [each for each in checkpoints if each.smoothed]
        lowest = min(with_loss, key=lambda each: each.smoothed, default=None)
        self.lowest = lowest.step if lowest and len(with_loss) > 1 else -1
        self.show_items(newest_first)
        steps = [each.step for each in newest_first]
        self.cursor = steps.index(step) if self.has_focus and step in steps else 0
