"""Long-running work on threads that don't delay quitting."""

from __future__ import annotations

import threading
from collections.abc import Callable

from textual.message import Message
from textual.message_pump import MessagePump


def run_in_background(target: MessagePump, work: Callable[[], Message]) -> None:
    """Run `work` on a thread of its own and post the message that it returns to `target`.

    The thread ends with the process. Textual's thread workers would have to be waited for
    (textual#3966).
    """

    def run() -> None:
        target.post_message(work())

    threading.Thread(target=run, name="sdtui-background", daemon=True).start()
