"""Downloading a model in the background."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.message import Message
from textual.message_pump import MessagePump

from sdtui.core.units import data_size, duration
from sdtui.tui.messages import message

if TYPE_CHECKING:
    from sdtui.jobs import Models
    from sdtui.requests.events import JobEvent


@message
class DownloadProgress(Message):
    """Some bytes were downloaded."""

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
    """The running download, if any. Its events are posted to `target`."""

    def __init__(self, target: MessagePump, models: Callable[[], Models]) -> None:
        self._target = target
        self._models = models
        self._id = ""
        self._is_cancelled = False
        self.hub_id = ""
        """The model being downloaded, or ""."""
        self.status = ""
        """The progress as text."""
        self.share = 0.0

    def start(self, hub_id: str) -> None:
        """Start a download. No other may be running."""
        self.hub_id, self.status, self.share = hub_id, "asking Hugging Face", 0.0
        self._is_cancelled = False
        self._id = self._models().download(hub_id, partial(self._put, hub_id))

    def cancel(self) -> None:
        """Stop after the current chunk."""
        if self.hub_id:
            self._models().cancel_download(self._id)
            self._is_cancelled = True
            self.status = "cancelling"

    def follow(self, event: DownloadProgress) -> None:
        """Update the progress."""
        if not self.hub_id or self._is_cancelled:
            return
        self.share = event.done / event.total if event.total else 0.0
        parts = [f"{data_size(event.done)} of {data_size(event.total)}"]
        if event.speed:
            parts.append(f"{data_size(event.speed)}/s")
            parts.append(f"{duration((event.total - event.done) / event.speed)} left")
        self.status = " · ".join(parts)

    def ended(self) -> None:
        """Clear the ended download."""
        self.hub_id = self.status = ""

    def _put(self, hub_id: str, envelope: JobEvent) -> None:
        """Post an event of the download. Called on another thread."""
        from sdtui.requests import events

        match envelope.event:
            case events.Downloading(done=done, total=total, speed=speed):
                self._target.post_message(DownloadProgress(done, total, speed))
            case events.Downloaded():
                self._target.post_message(DownloadEnded(hub_id))
            case events.Cancelled():
                self._target.post_message(DownloadEnded(hub_id, cancelled=True))
            case events.Failed() as failed:
                self._target.post_message(DownloadEnded(hub_id, str(failed)))
