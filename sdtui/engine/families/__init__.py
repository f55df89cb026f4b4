"""Model families: how their pipelines run in stages."""

from __future__ import annotations

from sdtui.engine.families.classic import ClassicFamily
from sdtui.engine.families.family import Family
from sdtui.engine.families.stable_diffusion import StableDiffusionFamily
from sdtui.models import ModelDescription


def family_of(description: ModelDescription) -> Family:
    """Return the family that runs a model."""
    return StableDiffusionFamily() if description.is_stable_diffusion else ClassicFamily()
