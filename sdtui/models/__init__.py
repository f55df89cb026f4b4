"""Which models there are and what is known of them before they are loaded.

Needs neither torch nor diffusers; libraries that are slow to import are imported when used. Faces
import from here.
"""

from sdtui.models.captioners import (
    CaptionerKind,
    InstalledCaptioner,
    find_captioner,
    installed_captioners,
)
from sdtui.models.catalog import (
    ModelSource,
    SourceKind,
    cached_snapshot,
    find_model,
    hub_cache_folder,
    installed_models,
    model_of_name,
)
from sdtui.models.checks import check_sides, check_values
from sdtui.models.component_files import weight_variant
from sdtui.models.controlnets import CONTROLNETS, ControlNet
from sdtui.models.describe import describe_model
from sdtui.models.description import ModelDescription
from sdtui.models.embeddings import (
    InstalledEmbedding,
    embeddings_named_in,
    installed_embeddings,
    text_widths,
)
from sdtui.models.estimate import Estimate, estimate_run, fastest_mode
from sdtui.models.files_by_kind import (
    FileKind,
    FoundFile,
    files_of_kind,
    front_end_roots,
    names_of_kind,
)
from sdtui.models.files_by_name import InstalledFile
from sdtui.models.first_pass import begun_smaller, first_size, scale_between
from sdtui.models.fit import (
    MemoryBudget,
    ModelFit,
    memory_by_mode,
    model_fit,
    native_estimate,
    native_size,
    recommend_download,
)
from sdtui.models.hashing import find_hashed, model_hash
from sdtui.models.hub import OnBytes, download_model
from sdtui.models.ignored import unused_fields
from sdtui.models.ip_adapters import IP_ADAPTERS, IPAdapter
from sdtui.models.lora_header import families_fit, family_name
from sdtui.models.loras import (
    InstalledLora,
    Lora,
    find_lora,
    find_lora_by_name,
    has_hash,
    installed_loras,
    is_lora_path,
    lora_folders,
    lora_of_hash,
)
from sdtui.models.native import NativeValues, with_loras
from sdtui.models.notices import run_notices
from sdtui.models.precision import automatic_dtype
from sdtui.models.prompt_reading import PromptReader, PromptReading, reading_lines
from sdtui.models.tokens import (
    TokenCount,
    TokenCounter,
    TokenizerFiles,
    counters_of,
    token_counters,
)
from sdtui.models.upscalers import (
    USUAL_SCALE,
    InstalledUpscaler,
    find_upscaler_file,
    installed_upscalers,
)
from sdtui.models.vaes import VaeFile, find_vae, find_vae_by_name, vae_files
from sdtui.models.wildcards import ReadWildcards, WildcardFiles

__all__ = [
    "CONTROLNETS",
    "IP_ADAPTERS",
    "USUAL_SCALE",
    "CaptionerKind",
    "ControlNet",
    "Estimate",
    "FileKind",
    "FoundFile",
    "IPAdapter",
    "InstalledCaptioner",
    "InstalledEmbedding",
    "InstalledFile",
    "InstalledLora",
    "InstalledUpscaler",
    "Lora",
    "MemoryBudget",
    "ModelDescription",
    "ModelFit",
    "ModelSource",
    "NativeValues",
    "OnBytes",
    "PromptReader",
    "PromptReading",
    "ReadWildcards",
    "SourceKind",
    "TokenCount",
    "TokenCounter",
    "TokenizerFiles",
    "VaeFile",
    "WildcardFiles",
    "automatic_dtype",
    "begun_smaller",
    "cached_snapshot",
    "check_sides",
    "check_values",
    "counters_of",
    "describe_model",
    "download_model",
    "embeddings_named_in",
    "estimate_run",
    "families_fit",
    "family_name",
    "fastest_mode",
    "files_of_kind",
    "find_captioner",
    "find_hashed",
    "find_lora",
    "find_lora_by_name",
    "find_model",
    "find_upscaler_file",
    "find_vae",
    "find_vae_by_name",
    "first_size",
    "front_end_roots",
    "has_hash",
    "hub_cache_folder",
    "installed_captioners",
    "installed_embeddings",
    "installed_loras",
    "installed_models",
    "installed_upscalers",
    "is_lora_path",
    "lora_folders",
    "lora_of_hash",
    "memory_by_mode",
    "model_fit",
    "model_hash",
    "model_of_name",
    "names_of_kind",
    "native_estimate",
    "native_size",
    "reading_lines",
    "recommend_download",
    "run_notices",
    "scale_between",
    "text_widths",
    "token_counters",
    "unused_fields",
    "vae_files",
    "weight_variant",
    "with_loras",
]
