"""The selected picture: small, and its whole story, folded."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.tui.images.view import PictureView
from sdtui.tui.panes.pane import Pane

if TYPE_CHECKING:
    from sdtui.requests.record import GenerationRecord
    from sdtui.tui.widgets.metadata_tree import MetadataTree


class MetadataPane(Pane):
    """What the history's cursor is on."""

    TITLE = "Metadata"
    ABOUT = (
        "The story of the selected picture as it stands in the JSON beside it. Enter or space "
        "folds and unfolds, and shows a long value whole."
    )
    DEFAULT_CSS = "MetadataPane > PictureView { height: 8; }"

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        # Always half-cells: it changes with every move of the cursor.
        self.thumbnail = PictureView()

    @cached_property
    def tree_of_record(self) -> MetadataTree:
        """The story."""
        from sdtui.tui.widgets.metadata_tree import MetadataTree

        return MetadataTree(id="metadata-tree")

    def have_record(self) -> None:
        """Have place for a picture above and its story below. Later than the contents of other
        panes: the story's tree is imported beside the window."""
        self.mount(self.thumbnail, self.tree_of_record)

    def show(self, path: Path | None, record: GenerationRecord | None) -> None:
        """Show a picture and its story, or nothing."""
        self.thumbnail.show_paths(() if path is None else (path,))
        self.tree_of_record.use(record)
