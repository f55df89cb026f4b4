"""The selected picture, small, and its metadata."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from sdtui.tui.images.loader import PictureLoader, ShownPicture
from sdtui.tui.images.view import PictureView
from sdtui.tui.panes.pane import Pane

if TYPE_CHECKING:
    from sdtui.requests.record import GenerationRecord
    from sdtui.tui.widgets.metadata_tree import MetadataTree


class MetadataPane(Pane):
    """Shows the picture with the history's cursor, and its metadata."""

    TITLE = "Metadata"
    ABOUT = (
        "The metadata of the selected picture, from the JSON beside it. Enter or space "
        "folds and unfolds, and shows a long value whole."
    )
    DEFAULT_CSS = "MetadataPane > PictureView { height: 8; }"

    def __init__(self, id: str, loader: PictureLoader) -> None:
        super().__init__(id=id)
        # Always half-cells: it changes with every move of the cursor.
        self.thumbnail = PictureView(loader)

    @cached_property
    def metadata_tree(self) -> MetadataTree:
        """The tree of the metadata."""
        from sdtui.tui.widgets.metadata_tree import MetadataTree

        return MetadataTree(id="metadata-tree")

    def mount_contents(self) -> None:
        """Mount the picture and the tree below it. Later than the contents of other panes: the tree
        is imported once the window is seen."""
        self.mount(self.thumbnail, self.metadata_tree)

    def show(self, picture: ShownPicture | None, record: GenerationRecord | None) -> None:
        """Show a picture and its metadata, or nothing."""
        self.thumbnail.show_pictures(() if picture is None else (picture,))
        self.metadata_tree.show(record)
