"""`sdtui upscale`: make pictures larger."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdtui.cli.connect import connect_option, connected_settings
from sdtui.cli.options import FilePath, field_option, request_values
from sdtui.cli.running import output_options, run_jobs, shared_values
from sdtui.core.runtime import leave

if TYPE_CHECKING:
    from sdtui.core.settings import Settings

_USUAL_FACTOR = 2.0
_RECIPE = (
    *("prompt", "negative_prompt", "model", "vae", "loras", "seed", "sampler", "clip_skip"),
    *("num_inference_steps", "guidance_scale", "prompt_syntax", "dynamic_prompts", "emphasis"),
)
"""The fields that redrawn tiles take from a picture."""
_OF_REDRAW = ("controls", "ip_adapters", "prompt", "model", "num_inference_steps")
"""The flags that have no effect otherwise."""


@click.command()
@connect_option
@click.argument("pictures", nargs=-1, required=True, type=FilePath(), metavar="PICTURE...")
@field_option("upscale_factor", "--factor", more=f"[{_USUAL_FACTOR:g}]")
@field_option("upscaler")
@field_option("second_upscaler")
@field_option("second_upscaler_visibility")
@field_option("upscale_width", "--width")
@field_option("upscale_height", "--height")
@field_option("upscale_crop", "--crop/--no-crop")
@field_option("redraw_strength")
@field_option("redraw_tile")
@field_option("redraw_padding")
@field_option("redraw_mask_blur")
@field_option("redraw_order")
@field_option("redraw_seams")
@field_option("controls")
@field_option("ip_adapters")
@field_option("prompt")
@field_option("model")
@field_option("num_inference_steps")
@output_options
def upscale(
    pictures: tuple[Path, ...],
    out: str | None,
    as_json: bool,
    quiet: bool,
    **flags: Any,
) -> int:
    """Make pictures larger, with a model or by resampling.

    Each goes into the history with the recipe of its original. Prints the paths on stdout.
    """
    from sdtui.cli.backend import open_models
    from sdtui.cli.destination import open_destination
    from sdtui.cli.logs import log_to_file
    from sdtui.requests.input_images import open_picture
    from sdtui.requests.request import GenerationRequest

    log_to_file()
    settings = connected_settings()
    values = request_values(flags)
    if not {"upscale_factor", "upscale_width", "upscale_height"} & values.keys():
        values["upscale_factor"] = _USUAL_FACTOR
    _check_of_redraw(flags)
    requests = []
    for path in pictures:
        like = path if "redraw_strength" in values else None
        own = _recipe_of(settings, like, quiet=quiet)
        given = {**own, "prompt": own.get("prompt", ""), **values, "upscale_image": path}
        requests.append(GenerationRequest.parse(given, prompt_needed=False))
    # What is wrong is reported before torch is loaded.
    open_models(settings).check_files(requests, allow_files=True)
    for path in pictures:
        open_picture(path)
    with open_destination(out, requests, as_json=as_json) as destination:
        code, ended = run_jobs(
            settings,
            lambda queue, output: [queue.submit(each, output) for each in requests],
            destination,
            as_json=as_json,
            quiet=quiet,
        )
    if not ended:
        leave(code)
    return code


def _check_of_redraw(flags: Mapping[str, Any]) -> None:
    """Raise InvalidRequestError for a flag that only redrawn tiles need."""
    from sdtui.core.errors import InvalidRequestError, Problem

    if flags["redraw_strength"] is None:
        given = [name for name in _OF_REDRAW if flags[name] not in (None, ())]
        message = "is for redrawn tiles alone: add --redraw, such as --redraw 0.3"
        if given:
            raise InvalidRequestError([Problem(name, flags[name], message) for name in given])


def _recipe_of(settings: Settings, picture: Path | None, *, quiet: bool) -> dict[str, Any]:
    """Return the values of the settings, and of a picture those that redrawing needs, if it says
    how it was made."""
    from sdtui.core.errors import ImageError

    defaults = settings.request_defaults()
    try:
        values = shared_values(settings, picture, None, quiet=quiet)
    except ImageError:
        if picture is None:
            raise
        return defaults
    return {**defaults, **{name: values[name] for name in _RECIPE if name in values}}
