"""The parts of the main screen."""

from __future__ import annotations

from sdtui.tui.context import AppContext
from sdtui.tui.panes.dock import Dock
from sdtui.tui.panes.gallery import Gallery
from sdtui.tui.panes.info import InfoPane
from sdtui.tui.panes.log import LogPane
from sdtui.tui.panes.pane import Pane
from sdtui.tui.panes.parameters import ParametersPane
from sdtui.tui.panes.prompt import PromptPane
from sdtui.tui.panes.queue import QueuePane
from sdtui.tui.panes.stage import Stage
from sdtui.tui.tabs import Tab


class Panes:
    """Every pane by its name."""

    def __init__(self, context: AppContext) -> None:
        self.prompt = PromptPane(
            "prompt",
            "Prompt",
            "What the picture should show. The number is how many of the model's tokens it takes; "
            "what is struck out will not be seen. Up on the first line brings back what you wrote "
            "before.",
            "What do you want to see?",
            id="prompt",
        )
        self.negative = PromptPane(
            "negative_prompt",
            "Negative prompt",
            "What the picture should not show.",
            "What should not be in it",
            id="negative",
        )
        self.dock = Dock(self.prompt, self.negative)
        self.stage = Stage(context.new_picture_view(), over_ssh=context.over_ssh)
        self.gallery = Gallery("gallery", lambda: context.backend.pictures, context.picture_loader)
        self.recipe = ParametersPane(id="recipe")
        self.queue = QueuePane(id="queue")
        self.info = InfoPane("info", context.copy)
        self.log = LogPane("log", context.copy)

    @property
    def prompts(self) -> tuple[PromptPane, PromptPane]:
        """Prompt and negative prompt."""
        return self.prompt, self.negative

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
