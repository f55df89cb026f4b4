"""Features of a request, each in its own module and registered here."""

from __future__ import annotations

from typing import Any

from sdtui.engine.features.clip_skip import ClipSkip
from sdtui.engine.features.feature import Feature
from sdtui.engine.features.image_to_image import ImageToImage

FEATURES: tuple[Feature[Any], ...] = (ClipSkip(), ImageToImage())
"""In the order in which their hooks are called."""
