"""The `sdtui` command: finds the asked command's module, and turns errors into one line."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys

import click

from sdtui import __version__
from sdtui.core.errors import SdtuiError
from sdtui.core.text import one_line

_COMMANDS = {
    "generate": "Make pictures from prompts.",
    "bench": "Measure how fast pictures are made, and compare.",
    "history": "Find, mark and move the pictures that were made.",
    "serve": "Serve pictures over HTTP.",
    "models": "List the models that are on this machine.",
    "samplers": "List the samplers.",
    "keys": "List the app's keys, and how to change them.",
    "doctor": "Look at this machine and say what doesn't fit.",
}
"""Name → what `sdtui --help` says. Each is in a module of its name, imported when it is asked
for, so that `--help` is there at once."""

INTERRUPTED = 130


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(f"sdtui.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="sdtui")
@click.pass_context
def sdtui(context: click.Context) -> int:
    """Stable Diffusion from a terminal. Without a command it opens the app."""
    if context.invoked_subcommand is not None:
        return 0
    # pydantic's plugins: looking for them reads the metadata of every package that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.disable()  # nothing made at start is garbage; the app turns it on when it is seen
    from sdtui.cli.logs import log_to_file
    from sdtui.core.settings import load_settings
    from sdtui.tui import run_app

    log_to_file()
    return run_app(load_settings())


def main() -> None:
    """Run the command line and leave the process: 0 done, 1 failed, 2 wrong usage, 130
    interrupted. A traceback goes to the log file, never to the terminal."""
    try:
        result = sdtui(standalone_mode=False)
    except click.exceptions.Exit as leaving:
        code = leaving.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except SdtuiError as error:
        logging.getLogger(__name__).info("failed", exc_info=error)
        complain(error)
        code = error.exit_code
    except BrokenPipeError:
        sys.stderr.close()  # nobody reads any more; nothing to complain about
        code = 1
    else:
        code = result if isinstance(result, int) else 0
    sys.exit(code)


def complain(error: SdtuiError) -> None:
    """Say on stderr, in one line, what is wrong and how to mend it."""
    click.echo(f"sdtui: {one_line(str(error))}", err=True)
