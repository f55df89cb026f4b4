"""The files of a diffusers folder: its index, and the configs and weights of its components."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sdtui.core.errors import ModelDamagedError, UnsafeModelError
from sdtui.core.text_files import decode_text, syntax_problem
from sdtui.models.headers import read_header

CONFIGS = Path(__file__).parent / "configs"
"""Bundled component configs of the families whose single files sdtui loads, for use offline."""

UNUSED = ("safety_checker", "feature_extractor", "image_encoder")
"""Components that Stable Diffusion pipelines can do without and that sdtui doesn't load."""

_WEIGHTS = ".safetensors"
_SHARD = re.compile(r"-\d{5}-of-(\d{5})")
_FOR_TRAINING = ("non_ema",)
_WITHOUT_WEIGHTS = re.compile(r"(Tokenizer|TokenizerFast|Scheduler|Processor|Extractor)$")
"""Classes of components that have no weights."""
_PICKLED_WEIGHTS = (".bin", ".ckpt", ".pt", ".msgpack", ".h5")


INDEXES = ("model_index.json", "modular_model_index.json")
"""Files that make a folder one of diffusers: the second is that of pipelines made of blocks."""


def index_file(folder: Path) -> Path:
    """Return the index of a folder; the path of the usual one if it has none."""
    found = (folder / name for name in INDEXES if (folder / name).is_file())
    return next(found, folder / INDEXES[0])


def describe_components(folder: Path) -> Mapping[str, tuple[str, str]]:
    """The components in the index of a folder: name → (library, class)."""
    return components_in(read_json(index_file(folder)))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises ModelDamagedError."""
    try:
        value = json.loads(decode_text(path.read_bytes()))
    except FileNotFoundError as error:
        raise _damaged(path, "it is missing") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, syntax_problem(error)) from error
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from error
    if not isinstance(value, dict):
        raise _damaged(path, "it has no JSON object")
    return value


def _damaged(path: Path, problem: str) -> ModelDamagedError:
    return ModelDamagedError(f"{path} can't be used: {problem}", "Download or copy the model again")


def variant_of(file_name: str) -> str | None:
    """Return the variant of a weights file, which stands between the dots of its name: "fp16" of
    `model.fp16.safetensors`; None for plain weights."""
    _, _, rest = file_name.removesuffix(_WEIGHTS).partition(".")
    return _SHARD.sub("", rest) or None


def first_variant(file_names: Iterable[str], order: Sequence[str | None]) -> str | None:
    """Return the variant to use of those that weights come in: the first of `order` that is
    there, else any other, and last those that are meant for training."""
    variants = {variant_of(name) for name in file_names}
    ranked = [*order, *sorted(filter(None, variants - {*order, *_FOR_TRAINING})), *_FOR_TRAINING]
    return next((variant for variant in ranked if variant in variants), None)


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a component in the variant that is loaded: the plain one if
    there is one."""
    files = sorted(folder.glob(f"*{_WEIGHTS}"))
    chosen = first_variant([file.name for file in files], (None, "fp16", "bf16"))
    return [file for file in files if variant_of(file.name) == chosen]


def weight_variant(folder: Path) -> str | None:
    """Return the variant of a component's weights that is loaded, None for plain weights."""
    files = weight_files(folder)
    return variant_of(files[0].name) if files else None


def components_in(index: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """The components in a model index: name → (library, class). Names with paths are ignored, and
    other places that an index of blocks names: the components are in folders of these names."""
    return {
        name: (value[0], value[1])
        for name, value in index.items()
        if isinstance(value, list)
        and len(value) in (2, 3)
        and all(isinstance(each, str) for each in value[:2])
        and all(isinstance(each, dict) for each in value[2:])
        and name.isidentifier()
    }


def component_config(folder: Path, component: str) -> dict[str, Any]:
    """The config of a component, empty if there is none. Raises ModelDamagedError."""
    path = folder / component / "config.json"
    return read_json(path) if path.is_file() else {}


def components_with_weights(
    folder: Path, components: Mapping[str, tuple[str, str]], without: Collection[str] = ()
) -> list[str]:
    """Return the names of the components that have weights, without those that are never loaded and
    those that come from elsewhere.

    Raises ModelDamagedError if a folder lacks a component that its model_index.json names,
    UnsafeModelError for code or pickles.
    """
    found = []
    if not components:
        raise _damaged(folder / "model_index.json", "it names no parts of a model")
    for name, (_, class_name) in components.items():
        part = folder / name
        if name in UNUSED or name in without:
            continue
        if not part.is_dir() or not any(part.iterdir()):
            raise _damaged(folder, f"the part {name} is missing")
        if _has_weights(part):
            _check_complete(part)
            found.append(name)
        elif not _WITHOUT_WEIGHTS.search(class_name):
            raise _damaged(folder, f"the part {name} has no weights")
    return found


def _has_weights(path: Path) -> bool:
    """True if the component in a folder has weights; tokenizers and schedulers have none."""
    if any(path.glob("*.py")):
        raise UnsafeModelError(
            f"{path} has Python code of its own, which sdtui never runs",
            "Use a model that needs no remote code",
        )
    if weight_files(path):
        return True
    if not (path / "config.json").is_file():
        return False
    if any(file.suffix in _PICKLED_WEIGHTS for file in path.iterdir()):
        raise UnsafeModelError(
            f"{path} has its weights only as a pickle file, which could run any code when loaded",
            "Get a version of this model with .safetensors files",
        )
    raise ModelDamagedError(f"{path} has no weights", "Download or copy the model again")


def _check_complete(path: Path) -> None:
    """Raise ModelDamagedError if a component with weights lacks its config or one of the files that
    its weights are divided into."""
    if not (path / "config.json").is_file():
        raise _damaged(path / "config.json", "it is missing")
    first = weight_files(path)[0].name
    shard = _SHARD.search(first)
    if shard is None:
        return
    count = shard[1]
    for number in range(1, int(count) + 1):
        file = path / _SHARD.sub(f"-{number:05}-of-{count}", first)
        if not file.is_file():
            raise _damaged(file, "it is missing")


def lacks_weights(part: Path) -> bool:
    """True if a component has a config, but no weights that can be used."""
    return (part / "config.json").is_file() and not weight_files(part)


def count_parameters(folder: Path) -> int:
    """The number of values in the weights of a component."""
    return sum(read_header(file).elements() for file in weight_files(folder))
