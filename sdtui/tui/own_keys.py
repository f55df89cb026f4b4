"""Keys take effect in the order in which they were pressed."""

from __future__ import annotations

from textual import events
from textual.widget import Widget


async def do_own_key(editor: Widget, event: events.Key) -> None:
    """Carry out a key that is bound in `editor` at once; to be called from its `_on_key`.

    Letters change a text at once, but Textual carries out bound keys such as backspace only after
    they have gone up through all that lies around the editor. On a busy machine the letters that
    were pressed after them overtake them there.
    """
    if event.is_printable:
        return
    active = editor.screen.active_bindings.get(event.key)
    if active is not None and active.node is editor and active.enabled:
        event.stop()
        event.prevent_default()
        await editor.app.run_action(active.binding.action, editor)
