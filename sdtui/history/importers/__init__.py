"""Settings out of pictures: ours, and those of A1111, Forge, SD.Next, ComfyUI, InvokeAI, Fooocus,
NovelAI and SwarmUI."""

from sdtui.history.importers.read import read_infotext, read_picture_settings
from sdtui.history.importers.request_mapping import ImportedSettings

__all__ = ["ImportedSettings", "read_infotext", "read_picture_settings"]
