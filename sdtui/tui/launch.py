"""Starting the app, and ending the process even while the worker is busy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from sdtui.core import paths, runtime
from sdtui.core.enums import Colours
from sdtui.core.settings import Settings
from sdtui.tui.actions import check_keymap
from sdtui.tui.terminal import colours, environment
from sdtui.tui.terminal.image_protocol import picture_widget
from sdtui.tui.terminal.notifications import at_end
from sdtui.tui.terminal.probe import UNKNOWN_TERMINAL, TerminalProbe
from sdtui.tui.terminal.restore import TerminalRestore

if TYPE_CHECKING:
    from sdtui.jobs import Backend

    OpenBackend = Callable[[float], Backend]
    """Called with the seconds between two samples of the hardware."""

_NO_TERMINAL = 'sdtui needs a terminal here; without one use: sdtui generate "a prompt"'
_DUMB_TERMINAL = (
    'sdtui can\'t draw in a terminal of the kind "dumb". If it is another, set TERM, as in: '
    'TERM=xterm-256color sdtui; else use: sdtui generate "a prompt"'
)
_KILLED = "sdtui was killed. The next start has the recipe, and offers to go on with the queue."
_ANSWER_SECONDS, _ANSWER_SECONDS_OVER_SSH = 0.3, 1.0
"""Seconds in which a terminal may answer what it can draw. Most pass while modules are imported.
Later answers are ignored."""

_SAMPLE_SECONDS, _SAMPLE_SECONDS_OVER_SSH = 1.0, 2.0
"""Between two samples of the hardware."""


def launch(settings: Settings, open_backend: OpenBackend) -> int:
    """Run the app; returns the exit code.

    Raises SdtuiError if the history can't be opened.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        sys.stderr.write(f"{_NO_TERMINAL}\n")
        return 2
    if environment.name() == "dumb":
        sys.stderr.write(f"{_DUMB_TERMINAL}\n")
        return 2
    check_keymap(settings.keys)
    runtime.shorten_thread_turns()
    runtime.draw_often()
    runtime.skip_empty_no_color()
    with TerminalRestore(_KILLED) as restore:
        code, ended = _run(settings, open_backend, restore)
    if not ended or "torch" in sys.modules:
        runtime.leave(code)
    return code


def _run(
    settings: Settings, open_backend: OpenBackend, restore: TerminalRestore
) -> tuple[int, bool]:
    """Return the app's exit code, and True if the worker has ended."""
    over_ssh = environment.over_ssh()
    choice = colours.colours_before_asking(settings.colours)
    is_known = choice is not None and settings.image_protocol == "halfcell"
    probe = None if is_known else TerminalProbe()
    if choice is not None:
        colours.use(choice)
    try:
        from sdtui.tui.app import SdtuiApp
    finally:
        patience = _ANSWER_SECONDS_OVER_SSH if over_ssh else _ANSWER_SECONDS
        capabilities, early_input = probe.answers(patience) if probe else (UNKNOWN_TERMINAL, b"")

    restore.add(at_end(capabilities))
    if choice is None:
        choice = colours.colours_after_asking(capabilities)
        colours.use(choice)
    widget = picture_widget(settings.image_protocol, capabilities, choice.colours)
    app = SdtuiApp(
        settings,
        lambda: open_backend(_SAMPLE_SECONDS_OVER_SSH if over_ssh else _SAMPLE_SECONDS),
        picture_widget=widget,
        over_ssh=over_ssh,
        early_input=early_input,
        colours_note="" if choice.colours is Colours.TRUE else choice.about,
        terminal=capabilities,
    )
    code = app.run()
    failed = app.return_code not in (0, None) and code is None
    ended = app.close_backend()
    if app.failure is not None:
        raise app.failure
    if failed:
        sys.stderr.write(f"sdtui met an error of its own; the log is {paths.log_file()}\n")
    return (1 if failed else code or 0), ended
