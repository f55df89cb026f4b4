"""The parts of the main screen."""

from __future__ import annotations

from sdtui.tui.context import AppContext
from sdtui.tui.panes.dock import Dock
from sdtui.tui.panes.gallery import Gallery
from sdtui.tui.panes.info import InfoPane
from sdtui.tui.panes.log import LogPane
from sdtui.tui.panes.pane import Pane
from sdtui.tui.panes.queue import QueuePane
from sdtui.tui.panes.recipe import RecipePane
from sdtui.tui.panes.stage import Stage
from sdtui.tui.tabs import Tab


class Panes:
    """Every pane by its name."""

    def __init__(self, context: AppContext) -> None:
        self.dock = Dock(context.recipe)
        self.stage = Stage(context.new_picture_view(), over_ssh=context.over_ssh)
        self.gallery = Gallery("gallery", lambda: context.backend.pictures, context.picture_loader)
        self.recipe = RecipePane(context.recipe, id="recipe")
        self.queue = QueuePane(id="queue")
        self.info = InfoPane("info", context.copy)
        self.log = LogPane("log", context.copy)

    @property
    def shelf(self) -> dict[Tab, Pane]:
        """The pane of each tab."""
        return {
            "gallery": self.gallery,
            "recipe": self.recipe,
            "queue": self.queue,
            "info": self.info,
            "log": self.log,
        }

    def by_scope(self, scope: str) -> Pane | None:
        """The pane in which the actions of a scope work, if they work in one only."""
        panes: dict[str, Pane] = {
            "form": self.recipe,
            "stage": self.stage,
            "queue": self.queue,
            "info": self.info,
            "log": self.log,
            "gallery": self.gallery,
        }
        return panes.get(scope)
