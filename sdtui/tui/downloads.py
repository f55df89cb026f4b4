"""Fetching a model beside everything else: it goes on while people write and make pictures."""

from __future__ import annotations

from collections.abc import Callable

from textual.message import Message
from textual.message_pump import MessagePump

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import CancelledError, SdtuiError
from sdtui.core.units import data_size, duration
from sdtui.tui.background import run_in_background
from sdtui.tui.messages import message


@message
class DownloadProgress(Message):
    """Bytes have come."""

    done: int
    total: int
    speed: float
    """Bytes a second."""


@message
class DownloadEnded(Message):
    """A download is over."""

    hub_id: str
    problem: str = ""
    cancelled: bool = False


class Downloads:
    """The one download that may be under way. What it has to tell is posted to `target`."""

    def __init__(self, target: MessagePump) -> None:
        self._target = target
        self._cancellation: Cancellation | None = None
        self.hub_id = ""
        """What is being fetched; "" if nothing is."""
        self.told = ""
        """How far it is."""
        self.share = 0.0

    def start(self, hub_id: str) -> None:
        """Begin. Another must not be under way."""
        self.hub_id, self.told, self.share = hub_id, "asking the hub", 0.0
        self._cancellation = Cancellation()
        run_in_background(
            self._target, _fetching(hub_id, self._cancellation, self._target.post_message)
        )

    def cancel(self) -> None:
        """Stop as soon as the piece that is coming has come."""
        if self._cancellation is not None:
            self._cancellation.stop_now()
            self.told = "cancelling"

    def follow(self, event: DownloadProgress) -> None:
        """Take in how far it is."""
        if self._cancellation is None or self._cancellation.is_requested:
            return
        self.share = event.done / event.total if event.total else 0.0
        parts = [f"{data_size(event.done)} of {data_size(event.total)}"]
        if event.speed:
            parts.append(f"{data_size(event.speed)}/s")
            parts.append(f"{duration((event.total - event.done) / event.speed)} left")
        self.told = "  ".join(parts)

    def ended(self) -> None:
        """It is over."""
        self.hub_id = self.told = ""
        self._cancellation = None


def _fetching(
    hub_id: str, cancellation: Cancellation, post: Callable[[Message], bool]
) -> Callable[[], Message]:
    def work() -> Message:
        from sdtui.models import download_model

        def on_bytes(done: int, total: int, speed: float) -> None:
            post(DownloadProgress(done, total, speed))

        try:
            download_model(hub_id, on_bytes, cancellation)
        except CancelledError:
            return DownloadEnded(hub_id, cancelled=True)
        except SdtuiError as error:
            return DownloadEnded(hub_id, str(error))
        return DownloadEnded(hub_id)

    return work
