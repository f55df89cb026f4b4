"""Work beside the app that may take long: on threads that don't hold up quitting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.message import Message
from textual.message_pump import MessagePump

from sdtui.core.errors import SdtuiError
from sdtui.tui.messages import HistoryRead, ModelKnown, PartsImported

if TYPE_CHECKING:
    from sdtui.core.settings import Settings
    from sdtui.history import History


def run_in_background(target: MessagePump, work: Callable[[], Message]) -> None:
    """Do `work` on a thread of its own and post what it returns to `target`. The thread ends with
    the process; Textual's own workers would have to be waited for (textual#3966)."""

    def run() -> None:
        target.post_message(work())

    threading.Thread(target=run, name="sdtui-background", daemon=True).start()


def import_parts() -> PartsImported:
    """Import what the window can do without until it is seen, so that no key has to wait for it."""
    import sdtui.models.tokens
    import sdtui.tui.event_presenter
    import sdtui.tui.screens.files
    import sdtui.tui.screens.help
    import sdtui.tui.screens.jump
    import sdtui.tui.screens.models
    import sdtui.tui.screens.picture
    import sdtui.tui.screens.settings
    import sdtui.tui.services
    import sdtui.tui.widgets.metadata_tree  # noqa: F401

    return PartsImported()


def look_at_model(model: str, settings: Settings) -> ModelKnown:
    """What is known of a model before it is loaded."""
    from sdtui.models.catalog import find_model
    from sdtui.models.description import describe_model
    from sdtui.models.tokens import counters_of

    try:
        source = find_model(model, settings.model_folders)
        counters = counters_of(source)
        description = None if source.path is None else describe_model(source.path)
    except SdtuiError as error:
        return ModelKnown(model, problem=str(error))
    return ModelKnown(model, counters, description)


def read_history(history: History) -> HistoryRead:
    """Notice what was moved, copied in or deleted."""
    try:
        history.refresh()
    except SdtuiError as error:
        return HistoryRead(str(error))
    return HistoryRead()
