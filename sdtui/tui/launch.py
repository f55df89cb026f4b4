"""Starting the app, and ending the process even while the worker is busy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from sdtui.core import paths, runtime
from sdtui.core.enums import Colours
from sdtui.core.errors import OutputError
from sdtui.core.settings import Settings
from sdtui.tui.keymap import check_keymap
from sdtui.tui.terminal import colours, environment
from sdtui.tui.terminal.image_protocol import picture_widget
from sdtui.tui.terminal.notifications import at_end
from sdtui.tui.terminal.probe import UNKNOWN_TERMINAL, TerminalCapabilities, TerminalProbe
from sdtui.tui.terminal.restore import TerminalRestore

if TYPE_CHECKING:
    from pathlib import Path

    from sdtui.jobs import Backend
    from sdtui.tui.mask_editor.editor import MaskEditor

    OpenBackend = Callable[[float], Backend]
    """Called with the seconds between two samples of the hardware."""

_NO_TERMINAL = 'sdtui needs a terminal here; without one use: sdtui generate "a prompt"'
_DUMB_TERMINAL = (
    'sdtui can\'t draw in a terminal of the kind "dumb". If it is another, set TERM, as in: '
    'TERM=xterm-256color sdtui; else use: sdtui generate "a prompt"'
)
_MASK_WITHOUT_TERMINAL = "a mask is drawn in a terminal, and this is none that can be drawn in"
_CAPTIONS_WITHOUT_TERMINAL = (
    "captions are edited in a terminal, and this is none that can be drawn in"
)
_KILLED = "sdtui was killed. The next start has the recipe, and offers to go on with the queue."
_ANSWER_SECONDS, _ANSWER_SECONDS_OVER_SSH = 0.3, 1.0
"""Seconds in which a terminal may answer what it can draw. Most pass while modules are imported.
Later answers are ignored."""

_SAMPLE_SECONDS, _SAMPLE_SECONDS_OVER_SSH = 1.0, 2.0
"""Between two samples of the hardware."""


class OpenedTerminal(NamedTuple):
    """What is known of the terminal before the app is shown."""

    capabilities: TerminalCapabilities
    early_input: bytes
    """What was typed meanwhile."""
    colours: colours.ColourChoice
    over_ssh: bool


def launch(settings: Settings, open_backend: OpenBackend) -> int:
    """Run the app; returns the exit code.

    Raises SdtuiError if the history can't be opened.
    """
    if problem := terminal_problem(_NO_TERMINAL, _DUMB_TERMINAL):
        sys.stderr.write(f"{problem}\n")
        return 2
    prepare(settings)
    with TerminalRestore(_KILLED) as restore:
        code, ended = _run(settings, open_backend, restore)
    if not ended or "torch" in sys.modules:
        runtime.leave(code)
    return code


def terminal_problem(without: str, dumb: str) -> str:
    """Return one of two sentences if there is no terminal, or one that can't be drawn in; else
    ""."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return without
    return dumb if environment.name() == "dumb" else ""


def prepare(settings: Settings) -> None:
    """Set the process up for an app. Raises SettingsError if the keys of the config file are
    wrong."""
    check_keymap(settings.keys)
    runtime.shorten_thread_turns()
    runtime.draw_often()
    runtime.skip_empty_no_color()


def open_terminal(
    settings: Settings, restore: TerminalRestore, import_app: Callable[[], object]
) -> OpenedTerminal:
    """Ask the terminal what it can do. `import_app` is called meanwhile: it imports Textual, which
    reads the number of colours then."""
    over_ssh = environment.over_ssh()
    choice = colours.colours_before_asking(settings.colours)
    is_known = choice is not None and settings.image_protocol == "halfcell"
    probe = None if is_known else TerminalProbe()
    if choice is not None:
        colours.use(choice)
    try:
        import_app()
    finally:
        patience = _ANSWER_SECONDS_OVER_SSH if over_ssh else _ANSWER_SECONDS
        capabilities, early_input = probe.answers(patience) if probe else (UNKNOWN_TERMINAL, b"")

    restore.add(at_end(capabilities))
    if choice is None:
        choice = colours.colours_after_asking(capabilities)
        colours.use(choice)
    return OpenedTerminal(capabilities, early_input, choice, over_ssh)


def _import_app() -> None:
    import sdtui.tui.app  # noqa: F401


def _run(
    settings: Settings, open_backend: OpenBackend, restore: TerminalRestore
) -> tuple[int, bool]:
    """Return the app's exit code, and True if the worker has ended."""
    terminal = open_terminal(settings, restore, _import_app)
    from sdtui.tui.app import SdtuiApp

    choice, over_ssh = terminal.colours, terminal.over_ssh
    app = SdtuiApp(
        settings,
        lambda: open_backend(_SAMPLE_SECONDS_OVER_SSH if over_ssh else _SAMPLE_SECONDS),
        picture_widget=picture_widget(
            settings.image_protocol, terminal.capabilities, choice.colours
        ),
        over_ssh=over_ssh,
        early_input=terminal.early_input,
        colours_note="" if choice.colours is Colours.TRUE else choice.about,
        terminal=terminal.capabilities,
    )
    code = app.run()
    failed = app.return_code not in (0, None) and code is None
    ended = app.close_backend()
    if app.failure is not None:
        raise app.failure
    if failed:
        sys.stderr.write(f"sdtui met an error of its own; the log is {paths.log_file()}\n")
    return (1 if failed else code or 0), ended


def launch_mask_editor(settings: Settings, editor: MaskEditor, *, may_be_empty: bool) -> bool:
    """Let the user draw a mask. Returns False if it isn't to be used. `may_be_empty` says that it
    may be an empty one.

    Raises OutputError if there is no terminal.
    """
    if problem := terminal_problem(_MASK_WITHOUT_TERMINAL, _MASK_WITHOUT_TERMINAL):
        raise OutputError(problem)
    prepare(settings)
    with TerminalRestore("sdtui was killed. The mask is lost.") as restore:
        terminal = open_terminal(settings, restore, _import_mask_app)
        from sdtui.tui.mask_app import MaskApp

        app = MaskApp(
            settings,
            editor,
            terminal=terminal.capabilities,
            early_input=terminal.early_input,
            may_be_empty=may_be_empty,
        )
        return app.run() == 0


def _import_mask_app() -> None:
    import sdtui.tui.mask_app  # noqa: F401


def launch_caption_editor(settings: Settings, folder: Path) -> int:
    """Let the user edit the captions of a folder; returns the exit code.

    Raises OutputError if there is no terminal.
    """
    if problem := terminal_problem(_CAPTIONS_WITHOUT_TERMINAL, _CAPTIONS_WITHOUT_TERMINAL):
        raise OutputError(problem)
    prepare(settings)
    with TerminalRestore("sdtui was killed. Captions that it saved are kept.") as restore:
        terminal = open_terminal(settings, restore, _import_caption_app)
        from sdtui.tui.caption_app import CaptionApp

        app = CaptionApp(
            settings,
            folder,
            picture_widget=picture_widget(
                settings.image_protocol, terminal.capabilities, terminal.colours.colours
            ),
            terminal=terminal.capabilities,
            early_input=terminal.early_input,
        )
        return app.run() or 0


def _import_caption_app() -> None:
    import sdtui.tui.caption_app  # noqa: F401
