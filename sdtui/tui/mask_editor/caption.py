"""What the line under a mask says."""

from __future__ import annotations

from sdtui.tui.images.zoom import percentage
from sdtui.tui.mask_editor.canvas import Canvas
from sdtui.tui.mask_editor.editor import MaskEditor, Tool


def about_tool(editor: MaskEditor, typed: str = "") -> str:
    """Return the tool with its size. `typed` are the digits of a border so far."""
    match editor.tool:
        case Tool.BRUSH:
            return f"brush {editor.brush} px{' soft' if editor.is_soft else ''}"
        case Tool.FILL:
            return f"fill ±{editor.tolerance}"
        case Tool.BORDERS:
            pixels = f"{editor.borders.of(editor.side):+}"
            if typed:
                pixels = typed if int(pixels) == _number(typed) else f"{typed} ({pixels})"
            return f"border {editor.side} {pixels} · arrows add {editor.border_step}, ⇧ cuts"
        case Tool.RECTANGLE if editor.is_down:
            (left, top), (right, bottom) = editor.points[0], editor.cursor
            return f"rectangle {_length(left, right)}×{_length(top, bottom)}"
        case tool:
            return tool.value


def _number(typed: str) -> int | None:
    return int(typed) if typed.strip("-") else None


def _length(start: float, end: float) -> int:
    """Return how many pixels are touched between two points."""
    return abs(int(end) - int(start)) + 1


def about_mask(editor: MaskEditor, share: float) -> str:
    """Return how much is masked, and how far its edge is blurred."""
    percent = "< 1 %" if 0 < share < 0.005 else f"{share * 100:.0f} %"
    return f" · {percent} masked" + (f" · blur {editor.blur}" if editor.blur else "")


def about_view(canvas: Canvas) -> str:
    """Return the magnification and the size of the picture, with borders that of the result."""
    editor = canvas.editor
    width, height = editor.size
    text = f"{percentage(canvas.zoom, canvas.whole, canvas.area)} · {width}×{height}"
    if editor.borders:
        left, top, right, bottom = editor.borders.frame(editor.size)
        text += f" → {right - left}×{bottom - top}"
    return text
