"""`sdtui COMMAND`: imports the module of a command, and turns click's errors into exit codes."""

from __future__ import annotations

import importlib

import click

from sdtui import __version__
from sdtui.cli.app import open_app
from sdtui.cli.codes import INTERRUPTED
from sdtui.cli.connect import connect_option, connected_settings

_COMMANDS = {
    "generate": "Make pictures from prompts.",
    "grid": "Make a grid of pictures over the values of up to three axes.",
    "train": "Train a LoRA from your own pictures.",
    "upscale": "Make pictures larger.",
    "mask": "Draw a mask over a picture, or borders around it.",
    "sheet": "Make a contact sheet of pictures.",
    "bench": "Measure how fast pictures are made, and compare.",
    "history": "Find, mark and move the pictures that were made.",
    "serve": "Serve pictures over HTTP.",
    "mcp": "Let an agent make pictures.",
    "worker": "Make pictures for a server on another machine.",
    "daemon": "Keep an engine running that outlives the terminal.",
    "prompt": "Show how a prompt is read: tokens, chunks, weights.",
    "models": "List the models that are on this machine.",
    "fetch": "Download a model, or the parts that complete a transformer file.",
    "styles": "List and change the styles that are added to prompts.",
    "wildcards": "List the wildcards that prompts can name.",
    "expand": "Show what alternatives, wildcards and styles make of a prompt.",
    "samplers": "List the samplers.",
    "keys": "List the app's keys, and how to change them.",
    "doctor": "Look at this machine and say what doesn't fit.",
    "docs": "Read the manual.",
}
"""Name → description in `sdtui --help`. Each command is in a module of its name, imported on use,
so that `--help` is fast."""


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
@connect_option
@click.version_option(__version__, prog_name="sdtui")
@click.pass_context
def sdtui(context: click.Context) -> int:
    """Stable Diffusion from a terminal. Without a command it opens the app."""
    if context.invoked_subcommand is not None:
        return 0
    return open_app(connected_settings().connect)


def run_command() -> int:
    """Run the command of the command line; returns the exit code."""
    try:
        result = sdtui(prog_name="sdtui", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    return result if isinstance(result, int) else 0
