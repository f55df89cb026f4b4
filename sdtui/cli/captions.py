"""`sdtui train caption` and `sdtui train captions`: captions of pictures to learn."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdtui.cli.codes import INTERRUPTED
from sdtui.cli.options import FilePath
from sdtui.cli.output import echo_json
from sdtui.core.settings import load_settings
from sdtui.core.text import counted, one_line
from sdtui.core.units import duration

if TYPE_CHECKING:
    from sdtui.cli.progress_output import ProgressOutput
    from sdtui.jobs.caption_process import CaptionProcess
    from sdtui.requests.training.captioning import CaptionEvent


@click.command()
@click.argument("folder", type=FilePath(), metavar="FOLDER")
@click.option(
    "--captioner",
    "-c",
    default="",
    metavar="MODEL",
    help="A BLIP, BLIP-2 or Florence-2 model, or one with a chat template: a folder, a name in"
    " model_folders or a hub id in the cache. [setting captioner, or the only one there is]",
)
@click.option(
    "--prompt",
    default="",
    help="What BLIP goes on with, what chat models are asked; of Florence-2 caption,"
    " detailed_caption or more_detailed_caption.",
)
@click.option("--prefix", default="", metavar="TEXT", help="Words in front of each caption.")
@click.option("--overwrite", is_flag=True, help="Replace captions that are there.")
@click.option("--dry-run", is_flag=True, help="Print captions on stdout, and write none.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr, only errors.")
def caption(
    folder: Path,
    captioner: str,
    prompt: str,
    prefix: str,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Let a model write captions of the pictures in FOLDER, and of folders such as 10_NAME in it.

    They are written to NAME.txt beside each picture. Captions that are there stay. The model must
    be on this machine. Ctrl-C keeps what is written; a second one ends it at once.
    """
    from sdtui.cli.progress_output import ProgressOutput
    from sdtui.jobs.caption_process import CaptionProcess, caption_request
    from sdtui.requests.training.pictures import no_pictures, training_folders

    pictures = training_folders(folder.absolute()).learned_pictures()
    if not pictures:
        raise no_pictures(folder)
    request = caption_request(
        load_settings(),
        captioner,
        pictures,
        prompt=prompt,
        prefix=prefix,
        overwrite=overwrite,
        writes=not dry_run,
    )
    with ProgressOutput(quiet=quiet, bar=sys.stderr.isatty() and not dry_run) as progress:
        if unnamed := len(pictures) - len(request.pictures):
            progress.say(f"{counted(unnamed, 'file')} left out: the name is no text in UTF-8")
        output = _Output(progress, as_json=as_json, prints=dry_run)
        return output.show(CaptionProcess(request))


@click.command()
@click.argument("folder", type=FilePath(), metavar="FOLDER")
def captions(folder: Path) -> int:
    """Edit the captions of the pictures in FOLDER, and of folders such as 10_NAME in it.

    A list of the pictures, the picture with the cursor, and its caption, which is saved when you go
    on to another. Words can be put in front of all captions, replaced and counted.
    """
    from sdtui.requests.training.pictures import no_pictures, training_folders
    from sdtui.tui import edit_captions

    if not training_folders(folder).learned_pictures():
        raise no_pictures(folder)
    return edit_captions(load_settings(), folder)


class _Output:
    """Shows the events of a captioner."""

    def __init__(self, progress: ProgressOutput, *, as_json: bool, prints: bool) -> None:
        """With `prints` captions are printed on stdout, since they aren't written."""
        self._progress = progress
        self._as_json = as_json
        self._prints = prints

    def show(self, process: CaptionProcess) -> int:
        """Show what comes until the process ends; return the exit code."""
        code = 1  # unless it ends otherwise
        is_stopping = False
        while True:
            try:
                event = process.next_event()
            except KeyboardInterrupt:
                if is_stopping:
                    process.kill()
                    return INTERRUPTED
                is_stopping = True
                process.stop()
                continue
            if event is None:
                return code
            if event.kind == "finished":
                code = INTERRUPTED if event.is_stopped else 0
            if self._as_json:
                echo_json(event.model_dump_json())
            self._put(event)

    def _put(self, event: CaptionEvent) -> None:
        match event.kind:
            case "loading":
                name = f"{one_line(event.captioner)} ({event.type}) on {event.device}"
                self._progress.say(f"{counted(event.pictures, 'picture')} for {name}")
            case "caption":
                name = Path(event.picture).name
                if self._prints and not self._as_json:
                    click.echo(one_line(f"{name}: {event.caption}"))
                text = f"{event.done}/{event.total} {name}: {event.caption}"
                self._progress.advance(one_line(text), event.done, event.total)
            case "notice":
                self._progress.say(event.text)
            case "failed":
                click.echo(f"sdtui: {one_line(event.error)}", err=True)
            case "finished":
                done = "made, none of them written" if self._prints else "written"
                self._progress.say(
                    f"{counted(event.captioned, 'caption')} {done}, {event.kept} kept,"
                    f" {event.left_out} left out, in {duration(event.seconds)}"
                )
