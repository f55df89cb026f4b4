"""The LoRAs to choose from, and what choosing one makes of the recipe's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdtui.core.errors import ModelError
from sdtui.core.prompt_tags import LoraTextError, parse_lora
from sdtui.jobs import Models
from sdtui.models import InstalledLora, families_fit, family_name
from sdtui.tui.fields import list_items
from sdtui.tui.styles import ThemeColour

SUMMARY_HEADS = "family      kind   rank  fits"
"""The heads of the columns in the summary of a LoRA that can be used."""


_VERDICTS: Mapping[bool | None, ThemeColour] = {True: "done", False: "error", None: "muted"}


@dataclass(frozen=True)
class LoraOffer:
    """A LoRA in the list."""

    name: str
    summary: str
    """Text in its line."""
    details: str
    """Text below the list."""
    verdict: ThemeColour = "muted"
    problem: str = ""
    """Why it can't be used; "" if it can."""
    preview: Path | None = None
    """The picture beside its file."""


def find_lora_offers(models: Models, model: str) -> tuple[LoraOffer, ...]:
    """Return every LoRA, with whether it fits a model, the usable ones first. Not for the app's
    thread."""
    try:
        described = models.describe(models.find(model))
    except ModelError:
        described = None
    family = described.family if described is not None else ""
    offers = [_offer(each, family) for each in models.loras()]
    return tuple(sorted(offers, key=lambda each: bool(each.problem)))


def _offer(installed: InstalledLora, model_family: str) -> LoraOffer:
    lora = installed.lora
    if lora is None:
        return LoraOffer(
            installed.name, "can't be used", installed.problem, "error", installed.problem
        )
    if "," in installed.name:
        problem = f"its name has a comma: write <lora:{installed.name}> in the prompt"
        return LoraOffer(installed.name, "can't be listed", problem, "muted", problem)
    fits = families_fit(lora.family, model_family) if model_family else None
    verdict = _VERDICTS[fits]
    family = family_name(lora.family) if lora.family else "?"
    said = {True: "yes", False: "no", None: "?"}[fits]
    words = f"Say: {', '.join(lora.trigger_words)}" if lora.trigger_words else "No trigger words"
    parts = [words, lora.base_model and f"made with {lora.base_model}", str(lora.path)]
    if lora.preview is not None:
        parts.append(f"preview: {lora.preview.name}")
    return LoraOffer(
        installed.name,
        f"{family:<10}  {lora.kind:<5}  {lora.rank or '':>4}  {said:<4}",
        " · ".join(filter(None, parts)),
        verdict,
        f"it is made for {family}" if fits is False else "",
        lora.preview,
    )


def with_lora(text: str, name: str, typed: str) -> str:
    """Return the recipe's LoRAs after one was chosen. What was `typed` may give its weights, as in
    `film:0.8`; without weights, a LoRA that is there already is taken out."""
    weights = typed.partition(":")[2].strip()
    if ":" in name:  # only with its suffix is such a name taken whole
        name = f"{name}.safetensors"
    chosen = f"{name}:{weights}" if weights else name
    items = list_items(text)
    names = [_name_of(each) for each in items]
    if name not in names:
        return ", ".join([*items, chosen])
    place = names.index(name)
    return ", ".join([*items[:place], *([chosen] if weights else []), *items[place + 1 :]])


def _name_of(item: str) -> str:
    try:
        return parse_lora(item).name
    except LoraTextError:
        return item
