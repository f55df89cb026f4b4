"""Read the settings in pictures of sdtui and other tools."""

from sdtui.core.sampler_names import label_of_sampler, nearest_sampler
from sdtui.history.importers.local_files import with_local_files
from sdtui.history.importers.local_loras import request_with_local_loras, with_local_loras
from sdtui.history.importers.read import as_infotext, read_infotext, read_picture_settings
from sdtui.history.importers.request_mapping import ImportedSettings

__all__ = [
    "ImportedSettings",
    "as_infotext",
    "label_of_sampler",
    "nearest_sampler",
    "read_infotext",
    "read_picture_settings",
    "request_with_local_loras",
    "with_local_files",
    "with_local_loras",
]
