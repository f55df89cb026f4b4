"""Control maps made by transformers models that the user has: depth and pose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForDepthEstimation

from sdtui.core.pictures.preprocessors import PREPROCESSORS
from sdtui.core.pictures.skeleton import draw_skeletons
from sdtui.core.settings import Settings
from sdtui.engine.control.detector_models import DetectorModels
from sdtui.engine.control.pose import joints_of_people


@dataclass(frozen=True)
class Detectors:
    """Makes maps on a device."""

    settings: Settings
    device: torch.device

    def __call__(self, name: str, image: Image.Image) -> Image.Image:
        """Return the map of a picture, RGB and of its size. Raises ModelNotFoundError,
        UnsafeModelError or UnsupportedModelError."""
        models = DetectorModels(self.settings, self.device, PREPROCESSORS[name].model)
        with torch.no_grad():
            return _DETECTORS[name](models, image.convert("RGB"))


def _depth(models: DetectorModels, image: Image.Image) -> Image.Image:
    model, folder = models.load(AutoModelForDepthEstimation, "ForDepthEstimation")
    processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    inputs = processor(images=image, return_tensors="pt").to(models.device)
    depth = model(**inputs).predicted_depth[None].float()
    size = (image.height, image.width)
    depth = torch.nn.functional.interpolate(depth, size=size, mode="bicubic")[0, 0]
    spread = (depth.max() - depth.min()).clamp(min=1e-12)
    grey = ((depth - depth.min()) / spread * 255).round().to(torch.uint8).cpu().numpy()
    return Image.fromarray(grey).convert("RGB")


def _pose(models: DetectorModels, image: Image.Image) -> Image.Image:
    return draw_skeletons(image.size, joints_of_people(models, image))


_DETECTORS: Mapping[str, Callable[[DetectorModels, Image.Image], Image.Image]] = {
    "depth": _depth,
    "pose": _pose,
}
