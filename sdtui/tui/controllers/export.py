"""Bringing a picture to where the user is."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from sdtui.core import paths
from sdtui.core.errors import SdtuiError
from sdtui.core.files import write_atomic
from sdtui.core.units import data_size
from sdtui.tui import picture_export as export
from sdtui.tui.background import run_on_thread
from sdtui.tui.context import AppContext
from sdtui.tui.textual_internals.driver import write_to_terminal

if TYPE_CHECKING:
    from sdtui.history import Entry

EXPORTS = ("copy_image", "copy_path", "copy_scp_line", "send_file", "open_viewer")
"""The verbs that are carried out here."""


class ExportController:
    """Sends, copies and opens pictures. Each verb ends with a sentence that says what happened, or
    why it isn't possible here."""

    def __init__(self, context: AppContext, screen: Screen[Any]) -> None:
        self._context = context
        self._screen = screen

    async def perform(self, verb: str, entry: Entry) -> None:
        """Carry out one of EXPORTS."""
        try:
            match verb:
                case "copy_image":
                    await self._copy_image(entry)
                case "copy_path":
                    await self._copy_path(entry)
                case "copy_scp_line":
                    line = await run_on_thread(partial(self._scp_line, entry))
                    self._context.copy(line, "The line for scp")
                case "send_file":
                    await self._send(entry)
                case "open_viewer":
                    await self._open(entry)
        except SdtuiError as error:
            self._context.notify(str(error), severity="warning")

    async def _copy_path(self, entry: Entry) -> None:
        other = await run_on_thread(partial(self._other_machine, entry))
        self._context.copy(str(entry.path), f"The path on {other}" if other else "The path")

    def _other_machine(self, entry: Entry) -> str:
        """Return the name of the machine that has a picture; "" if it is this one."""
        backend = self._context.backend
        if backend.connection is None or backend.pictures.local_file(entry.id) is not None:
            return ""
        return backend.connection.name

    def _scp_line(self, entry: Entry) -> str:
        if other := self._other_machine(entry):
            return export.scp_line_from(other, entry.path)
        return export.scp_line_here(entry.path)

    async def _read(self, entry: Entry) -> bytes:
        pictures = self._context.backend.pictures
        return await run_on_thread(lambda: pictures.read(entry.id))

    async def _copy_image(self, entry: Entry) -> None:
        data = await self._read(entry)
        if export.copies_through_terminal(self._context.terminal):
            strings = await run_on_thread(partial(export.image_strings, data))
            write_to_terminal(self._screen.app, strings)
            self._context.notify("The image was sent to the terminal's clipboard.")
            return
        over_ssh = self._context.over_ssh
        await run_on_thread(lambda: export.copy_on_this_machine(data, over_ssh=over_ssh))
        self._context.notify("The image is on the clipboard.")

    async def _send(self, entry: Entry) -> None:
        terminal = self._context.terminal
        data = await self._read(entry)
        strings = export.file_strings(entry.path.name, data, terminal)
        write_to_terminal(self._screen.app, strings)
        size = data_size(len(data))
        self._context.notify(f"{entry.path.name} ({size}) was sent to the terminal's downloads.")

    async def _open(self, entry: Entry) -> None:
        viewer = export.viewer_command(self._context.settings.viewer, os.environ)
        file = await run_on_thread(partial(self._local_file, entry))
        self._context.editor.show_file(viewer, file)

    def _local_file(self, entry: Entry) -> Path:
        """Return the picture's file, or a copy if it is on another machine."""
        pictures = self._context.backend.pictures
        if (file := pictures.local_file(entry.id)) is not None:
            return file
        copy = paths.cache_folder() / f"opened{entry.path.suffix}"
        try:
            write_atomic(copy, pictures.read(entry.id))
        except OSError as error:
            raise SdtuiError(f"{copy} can't be written: {error.strerror}") from error
        return copy
