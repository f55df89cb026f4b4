"""A record as a folded tree and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from rich.style import Style
from rich.text import Text
from textual.binding import BindingType
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from sdtui.core.text import one_line, visible
from sdtui.tui.bindings import bindings_in
from sdtui.tui.messages import ValueOpened

if TYPE_CHECKING:
    from sdtui.requests.record import GenerationRecord

_FIRST = ("prompt", "negative_prompt", "seed", "settings", "model", "generation_time", "attempts")
_HIDDEN = ("schema_version",)
_SHORT = {"negative_prompt": "negative", "generation_time": "seconds"}


class MetadataTree(Tree[str], inherit_bindings=False):
    """A record as a tree: plain values in lines of their own, all others folded. A line's data is
    the full value."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_in("metadata"), *bindings_in("list")]

    DEFAULT_CSS = """
    MetadataTree {
        height: 1fr; padding: 0 1; background: transparent; scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
    }
    """

    def __init__(self, id: str) -> None:
        super().__init__(Text(), id=id)
        self.show_root = False
        self.show_guides = False
        self.guide_depth = 2
        self._record: GenerationRecord | None = None

    def render_label(self, node: TreeNode[str], base_style: Style, style: Style) -> Text:
        """Shorten long labels with dots."""
        label = super().render_label(node, base_style, style)
        width = self.scrollable_content_region.width - self.guide_depth * _depth(node)
        if width > 0:
            label.truncate(width, overflow="ellipsis")
        return label

    def action_toggle_node(self) -> None:
        node = self.cursor_node
        if node is None or node.allow_expand:
            super().action_toggle_node()
        else:
            self.post_message(ValueOpened(node.data or ""))

    def action_first(self) -> None:
        self.cursor_line = 0

    def action_last(self) -> None:
        self.cursor_line = self.last_line

    def show(self, record: GenerationRecord | None) -> None:
        """Show a record, or nothing."""
        if record == self._record:
            return
        self._record = record
        line = max(0, self.cursor_line)
        self.clear()
        if record is None:
            return
        values = record.model_dump(mode="json", exclude_none=True)
        order = [*_FIRST, *(name for name in values if name not in _FIRST)]
        names = [name for name in order if name in values and name not in _HIDDEN]
        _add(self.root, {name: values[name] for name in names})
        for node in self.root.children:
            if str(node.label).startswith("settings"):
                node.expand()
        self.cursor_line = line  # the same value of another picture


def _depth(node: TreeNode[str]) -> int:
    """Return the number of ancestors below the root, which isn't shown."""
    return 0 if node.parent is None or node.parent.is_root else 1 + _depth(node.parent)


def _add(node: TreeNode[str], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        label = Text().append(f"{_SHORT.get(name, name)}  ", "dim")
        parts = value
        if isinstance(value, list):
            parts = {str(number): each for number, each in enumerate(value, 1)}
        if isinstance(parts, dict):
            if parts:
                branch = node.add(label.append(_summary(name, parts)))
                _add(branch, parts)
        elif value != "":
            text = f"{value:g}" if isinstance(value, float) else str(value)
            node.add_leaf(label.append(one_line(text)), data=visible(text))


def _summary(name: str, value: Mapping[str, Any]) -> str:
    if name in ("timings", "load_timings"):
        return f"{sum(value.values()):.1f} s"
    if name == "model":
        return visible(str(value.get("name", "")), keep="")
    if name == "attempts":
        changes = [str(each["changes"]) for each in value.values() if each.get("changes")]
        return visible("; ".join([str(len(value)), *changes]), keep="")
    return str(len(value)) if name in ("images", "notices", "truncations") else ""


def as_json(record: GenerationRecord) -> str:
    """Return a record as indented JSON."""
    return json.dumps(record.model_dump(mode="json"), indent=2, ensure_ascii=False)
