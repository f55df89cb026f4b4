"""The panes of the main screen."""

from __future__ import annotations

from sdtui.tui.context import AppContext
from sdtui.tui.panes.history import HistoryPane
from sdtui.tui.panes.log import LogPane
from sdtui.tui.panes.memory import MemoryPane
from sdtui.tui.panes.metadata import MetadataPane
from sdtui.tui.panes.pane import Pane
from sdtui.tui.panes.parameters import ParametersPane
from sdtui.tui.panes.preview import PreviewPane
from sdtui.tui.panes.progress import ProgressPane
from sdtui.tui.panes.prompt import PromptPane
from sdtui.tui.panes.queue import QueuePane


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
        self.parameters = ParametersPane(id="parameters")
        self.queue = QueuePane(id="queue")
        self.preview = PreviewPane("preview", context.new_picture_view(), over_ssh=context.over_ssh)
        self.progress = ProgressPane(id="progress")
        self.memory = MemoryPane(id="memory")
        self.log = LogPane(id="log")
        self.history = HistoryPane(
            "history", lambda: context.backend.pictures, context.picture_loader
        )
        self.metadata = MetadataPane("selected", context.picture_loader)

    @property
    def prompts(self) -> tuple[PromptPane, PromptPane]:
        """Prompt and negative prompt."""
        return self.prompt, self.negative

    @property
    def left(self) -> tuple[Pane, ...]:
        """The left column, from top to bottom."""
        return self.prompt, self.negative, self.parameters, self.queue

    @property
    def middle(self) -> tuple[Pane, ...]:
        """The middle column, from top to bottom."""
        return self.preview, self.progress, self.memory, self.log

    @property
    def right(self) -> tuple[Pane, ...]:
        """The right column, from top to bottom."""
        return self.history, self.metadata

    def by_scope(self, scope: str) -> Pane | None:
        """The pane in which the actions of a scope work, if they work in one only."""
        panes: dict[str, Pane] = {
            "form": self.parameters,
            "preview": self.preview,
            "queue": self.queue,
            "log": self.log,
            "history": self.history,
        }
        return panes.get(scope)
