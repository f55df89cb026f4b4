"""Settings out of pictures: ours, and those of A1111, Forge, SD.Next, ComfyUI, InvokeAI, Fooocus,
NovelAI and SwarmUI."""

from sdtui.history.foreign.carry import ImportedSettings
from sdtui.history.foreign.read import read_infotext, read_picture_settings

__all__ = ["ImportedSettings", "read_infotext", "read_picture_settings"]
