"""Loading a captioner from its folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from sdtui.core.errors import UnsupportedModelError
from sdtui.core.text import one_line
from sdtui.engine.device import Device
from sdtui.engine.memory.oom import is_out_of_memory
from sdtui.models import CaptionerKind, InstalledCaptioner, weight_variant
from sdtui.training.captioning.blip import Blip
from sdtui.training.captioning.blip_2 import Blip2
from sdtui.training.captioning.captioner import Captioner, CaptionModel
from sdtui.training.captioning.chat import Chat
from sdtui.training.captioning.florence_2 import Florence2

_log = logging.getLogger(__name__)
_KINDS: Mapping[CaptionerKind, Callable[[CaptionModel, str], Captioner]] = {
    CaptionerKind.BLIP: Blip,
    CaptionerKind.BLIP_2: Blip2,
    CaptionerKind.FLORENCE_2: Florence2,
    CaptionerKind.CHAT: Chat,
}
_UNLOADABLE = (
    *(OSError, ValueError, KeyError, ImportError, RuntimeError, TypeError, AttributeError),
)
"""Errors of transformers about files that don't fit the model."""


def load_captioner(
    found: InstalledCaptioner, device: Device, dtype: torch.dtype, prompt: str
) -> Captioner:
    """Load a captioner that is asked with a prompt, by default the usual one of its kind.

    Raises UnsupportedModelError if its files don't fit it, or it has no such prompt, and the
    device's errors if memory runs out.
    """
    options = {"local_files_only": True, "trust_remote_code": False}
    model_class: Any = AutoModelForImageTextToText
    try:
        processor = AutoProcessor.from_pretrained(found.path, **options)
        model, loaded = model_class.from_pretrained(
            found.path,
            **options,
            use_safetensors=True,
            dtype=dtype,
            variant=weight_variant(found.path),
            output_loading_info=True,
        )
    except _UNLOADABLE as error:
        if is_out_of_memory(error):
            raise
        _log.warning("%s can't be loaded", found.path, exc_info=error)
        raise UnsupportedModelError(
            f"{found.path} can't be loaded: {one_line(str(error))[:300]}", "Use another captioner"
        ) from error
    if loaded["missing_keys"]:
        _log.warning("%s lacks %s", found.path, loaded["missing_keys"])
        raise UnsupportedModelError(
            f"{found.path} lacks weights, or has them under names of its own code",
            "Use one in the format of transformers, such as florence-community/Florence-2-base",
        )
    return _KINDS[found.kind](CaptionModel(model.to(device.torch).eval(), processor), prompt)
