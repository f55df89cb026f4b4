"""The pictures beside LoRAs."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from sdtui.core.errors import ModelError, ModelNotFoundError
from sdtui.server.dependencies import ServerServices
from sdtui.server.errors import ApiError, from_sdtui
from sdtui.server.files import SavedFile


async def lora_preview(services: ServerServices, name: str) -> SavedFile:
    """Answer with the picture beside the LoRA of this name or alias. Raises ApiError."""

    def find() -> tuple[Path, os.stat_result]:
        picture = services.backend.models.find_lora(name).preview
        if picture is None:
            raise ModelNotFoundError(f"the LoRA {name} has no preview")
        return picture, picture.stat()

    try:
        path, status = await asyncio.to_thread(find)
    except ModelError as error:
        raise from_sdtui(error) from error
    except OSError as error:
        raise ApiError(404, "NotFound", "The picture does not exist any more.") from error
    return SavedFile(path, stat_result=status)
