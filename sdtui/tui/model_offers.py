"""The models to choose from: installed ones, and those that a text names."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from sdtui.core.enums import DType, MemoryMode, Quantize
from sdtui.core.errors import SdtuiError
from sdtui.core.typed_paths import PathTextError, parse_typed_path
from sdtui.core.units import data_size
from sdtui.jobs import Models
from sdtui.models import (
    MemoryBudget,
    ModelDescription,
    ModelFit,
    ModelSource,
    SourceKind,
    model_fit,
    native_size,
)
from sdtui.tui.styles import ThemeColour

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_HUB_PAGE = re.compile(
    rf"(?:https?://)?(?:huggingface\.co|hf\.co)/({_HUB_ID.pattern}?)(?:/(?:tree|blob|resolve)/.*)?/?"
)
"""The address of a model's page, or of a page below it."""
SUMMARY_HEADS = "family         params format     needs  fits"
"""The heads of the columns in the summary of a model that can be used."""
_KINDS = {SourceKind.FOLDER: "folder", SourceKind.FILE: "file", SourceKind.HUB: "hub cache"}


@dataclass(frozen=True)
class Offer:
    """A model in the list."""

    name: str
    summary: str
    """Text in its line."""
    details: str
    """Text below the list."""
    verdict: ThemeColour = "muted"
    installed: bool = True
    problem: str = ""
    """Why the model can't be used; "" if it can."""


def find_offers(
    models: Models,
    budget: MemoryBudget | None,
    dtype: DType,
    quantize: Quantize = Quantize.NONE,
) -> tuple[Offer, ...]:
    """Return every installed model with its memory use relative to the free memory."""
    found = models.installed()
    return tuple(_offer(models, source, budget, dtype, quantize) for source in found)


def model_problem(models: Models, name: str) -> SdtuiError | None:
    """Return why a model can't be used, or None if it can. Reads the disk."""
    try:
        models.describe(models.find(name))
    except SdtuiError as error:
        return error
    return None


def _offer(
    models: Models,
    source: ModelSource,
    budget: MemoryBudget | None,
    dtype: DType,
    quantize: Quantize,
) -> Offer:
    try:
        description = models.describe(source)
    except SdtuiError as error:
        problem = str(error)
        return Offer(source.name, "✗ can't be used", problem, "error", problem=problem)
    if description is None:
        return _downloadable(source.name)
    about = f"{_KINDS[source.kind]} {source.path}"
    if budget is None:
        facts = _facts(description)
        return Offer(source.name, f"{_columns(description)}{'':16}", f"{facts}; {about}")
    return _judged(
        Offer(source.name, "", about),
        description,
        model_fit(description, budget, budget.free, dtype, quantize),
        budget,
    )


def _columns(description: ModelDescription) -> str:
    """Return family, parameters and number format as they stand in a line."""
    count = _count(description.denoiser_parameters)
    return f"{description.family_name:<14.14} {count:>6} {description.weight_format:<6.6}"


def _facts(description: ModelDescription) -> str:
    count, total = description.denoiser_parameters, sum(description.parameters.values())
    words = f"{description.family_name}, {_count(count)} parameters"
    if total > count:
        words += f" ({_count(total)} with text encoders and VAE)"
    return f"{words}, {description.weight_format}" if description.weight_format else words


def _judged(
    offer: Offer, description: ModelDescription, fit: ModelFit, budget: MemoryBudget
) -> Offer:
    """Return the offer with a verdict on its memory, as it is estimated."""
    width, height = native_size(description)
    words, verdict = _verdict(fit, budget)
    others = [
        f"{data_size(size)} with {_mode_name(mode)}"
        for mode, size in fit.peaks.items()
        if mode is not fit.mode and size != fit.bytes
    ]
    against = f"needs {data_size(fit.bytes)} of {data_size(budget.free)} free for {width}×{height}"
    more = f" ({', '.join(dict.fromkeys(others))})" if others else ""
    return replace(
        offer,
        summary=f"{_columns(description)} {data_size(fit.bytes):>9} {words[0]:>5}",
        details=f"{_facts(description)}; {against}: {words[1]}{more}. {offer.details}",
        verdict=verdict,
    )


def _mode_name(mode: MemoryMode) -> str:
    return "all in memory" if mode is MemoryMode.FULL else mode.value.replace("_", " ")


def _verdict(fit: ModelFit, budget: MemoryBudget) -> tuple[tuple[str, str], ThemeColour]:
    if not fit.fits:
        return ("✗", "too much; leaner ways will be tried"), "error"
    if fit.mode is MemoryMode.FULL:
        return ("✓", "fits whole" if budget.on_gpu else "fits"), "done"
    return ("~", f"fits with {_mode_name(fit.mode)}, which is slower"), "warning"


def _downloadable(name: str) -> Offer:
    return Offer(name, "not downloaded", "⏎ downloads it from Hugging Face.", installed=False)


def typed_offer(query: str) -> Offer | None:
    """Return the model that a text names by itself: a hub id, the address of its page, or an
    absolute path."""
    typed = query.strip()
    page = _HUB_PAGE.fullmatch(typed)
    typed = page[1] if page else typed
    if _HUB_ID.fullmatch(typed):
        return _downloadable(typed)
    try:
        path = parse_typed_path(typed) if typed else Path()
    except PathTextError as error:
        problem = f"{typed} {error}."
        return Offer(typed, "✗ can't be used", problem, "error", problem=problem)
    if path.is_absolute():
        return Offer(str(path), "path", "⏎ takes the model at this path.")
    return None


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.1f} B" if parameters >= 1e9 else f"{parameters / 1e6:,.0f} M"
