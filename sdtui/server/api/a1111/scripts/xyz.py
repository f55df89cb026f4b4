"""A1111's script "X/Y/Z plot": its arguments, which clients send by position.

scripts/xyz_grid.py of A1111 1.10; versions before have fewer arguments after those of the axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sdtui.requests.grids import GridOptions, joined_values
from sdtui.server.api.a1111.scripts.script import (
    GridScript,
    ScriptArgument,
    ScriptInfo,
    margin_argument,
    margin_of,
    wrong_argument,
)
from sdtui.server.services.grids import WantedAxis

NAME = "x/y/z plot"

_TXT2IMG, _IMG2IMG = "txt2img", "img2img"
_LABELS: Sequence[tuple[str, str]] = (
    *(("Nothing", ""), ("Seed", ""), ("Var. seed", ""), ("Var. strength", ""), ("Steps", "")),
    *(("Hires steps", _TXT2IMG), ("CFG Scale", ""), ("Image CFG Scale", _IMG2IMG)),
    *(("Prompt S/R", ""), ("Prompt order", ""), ("Sampler", _TXT2IMG)),
    *(("Hires sampler", _TXT2IMG), ("Sampler", _IMG2IMG), ("Checkpoint name", "")),
    *(("Negative Guidance minimum sigma", ""), ("Sigma Churn", ""), ("Sigma min", "")),
    *(("Sigma max", ""), ("Sigma noise", ""), ("Schedule type", ""), ("Schedule min sigma", "")),
    *(("Schedule max sigma", ""), ("Schedule rho", ""), ("Beta schedule alpha", "")),
    *(("Beta schedule beta", ""), ("Eta", ""), ("Clip skip", ""), ("Denoising", "")),
    *(("Initial noise multiplier", ""), ("Extra noise", ""), ("Hires upscaler", _TXT2IMG)),
    *(("Cond. Image Mask Weight", _IMG2IMG), ("VAE", ""), ("Styles", ""), ("UniPC Order", "")),
    *(("Face restore", ""), ("Token merging ratio", ""), ("Token merging ratio high-res", "")),
    *(("Always discard next-to-last sigma", ""), ("SGM noise multiplier", "")),
    *(("Refiner checkpoint", ""), ("Refiner switch at", ""), ("RNG source", ""), ("FP8 mode", "")),
    ("Size", ""),
    *((f"[ControlNet] {name}", "") for name in ("Model", "Weight", "Guidance Start")),
    *((f"[ControlNet] {name}", "") for name in ("Guidance End", "Resize Mode", "Preprocessor")),
    *((f"[ControlNet] {name}", "") for name in ("Pre Resolution", "Pre Threshold A")),
    *((f"[ControlNet] {name}", "") for name in ("Pre Threshold B", "Control Mode")),
)
"""The labels of axes in A1111's order, each with the only mode that has it; those of the extension
sd-webui-controlnet come last."""
_AXIS_ARGUMENTS = 9
_OPTIONS = ("draw_legend", "include_lone_images", "include_sub_grids", "no_fixed_seeds")
_VARIED = ("vary_seeds_x", "vary_seeds_y", "vary_seeds_z")
_LAYOUTS: Mapping[int, Sequence[str]] = {
    18: (*_OPTIONS, *_VARIED, "margin_size", "csv_mode"),
    14: (*_OPTIONS, "margin_size"),
    15: (*_OPTIONS, "margin_size", "csv_mode"),
    16: (*_OPTIONS, "margin_size", "csv_mode", "raw_mode"),
}
"""The names of the arguments after those of the axes, by the number of all arguments."""


def labels_of(mode: str) -> list[str]:
    """Return the labels of the axes of txt2img or img2img; a client names one by its index."""
    return [label for label, only in _LABELS if only in ("", mode)]


def parse_arguments(arguments: Sequence[Any], mode: str) -> GridScript:
    """Parse `script_args`. Raises ApiError (422)."""
    names = _LAYOUTS.get(len(arguments))
    if names is None:
        raise wrong_argument(f"the script X/Y/Z plot takes 18 arguments, not {len(arguments)}")
    axes = tuple(
        _axis(arguments[start : start + 3], labels_of(mode))
        for start in range(0, _AXIS_ARGUMENTS, 3)
    )
    options = dict(zip(names, arguments[_AXIS_ARGUMENTS:], strict=True))
    return GridScript(
        axes,
        GridOptions(
            vary_seeds=tuple(name[-1].upper() for name in _VARIED if options.get(name)),
            keeps_random_seeds=bool(options["no_fixed_seeds"]),
            has_labels=bool(options["draw_legend"]),
            margin=margin_of(options["margin_size"], "X/Y/Z plot"),
        ),
        has_single_pictures=bool(options["include_lone_images"]),
        has_sub_grids=bool(options["include_sub_grids"]),
    )


def _axis(arguments: Sequence[Any], labels: Sequence[str]) -> WantedAxis:
    """Return the axis of type, values as text, and values as a list."""
    kind, text, chosen = arguments
    if isinstance(kind, int) and not isinstance(kind, bool) and 0 <= kind < len(labels):
        name = labels[kind]
    elif isinstance(kind, str):
        name = kind or labels[0]
    else:
        most = len(labels) - 1
        raise wrong_argument(
            f"an axis of the script X/Y/Z plot is a label or a number of 0 to {most}"
        )
    values = [str(each) for each in chosen] if isinstance(chosen, list) else []
    return WantedAxis(name, joined_values(values) if values else str(text or ""))


def script_info(mode: str) -> ScriptInfo:
    """Describe the script's arguments."""
    labels = labels_of(mode)
    axes = [
        argument
        for letter in "XYZ"
        for argument in (
            ScriptArgument(label=f"{letter} type", value=labels[0], choices=labels),
            ScriptArgument(label=f"{letter} values", value=""),
            ScriptArgument(label=f"{letter} values", value=[]),
        )
    ]
    flags = [
        ScriptArgument(label=label, value=value)
        for label, value in (
            ("Draw legend", True),
            ("Include Sub Images", False),
            ("Include Sub Grids", False),
            ("Keep -1 for seeds", False),
            ("Vary seeds for X", False),
            ("Vary seeds for Y", False),
            ("Vary seeds for Z", False),
        )
    ]
    text_inputs = ScriptArgument(label="Use text inputs instead of dropdowns", value=False)
    return ScriptInfo(
        name=NAME,
        is_alwayson=False,
        is_img2img=mode == _IMG2IMG,
        args=[*axes, *flags, margin_argument(), text_inputs],
    )
