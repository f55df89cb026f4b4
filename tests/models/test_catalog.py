"""From names to models."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtui.core.errors import (
    ModelDamagedError,
    ModelError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
)
from sdtui.models import (
    SourceKind,
    cached_snapshot,
    describe_model,
    find_model,
    hub_cache_folder,
    installed_models,
    model_of_name,
)
from sdtui.models.catalog import MOVED
from tests.support.model_files import checkpoint, folder, safetensors, sd1_folder

INDEX = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}


def cache(hub_id: str, *, commit: str = "abc", parts: tuple[str, ...] = ("unet",)) -> Path:
    """Put a model into the hub's cache."""
    repository = hub_cache_folder() / f"models--{hub_id.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True, exist_ok=True)
    (repository / "refs" / "main").write_text(commit)
    files = {f"{part}/config.json": "{}" for part in parts}
    return folder(repository / "snapshots" / commit, INDEX, files)


def model(place: Path) -> Path:
    """A model folder, as far as a name needs one."""
    return folder(place, INDEX, {"unet/config.json": {}})


def failure(expected: type[ModelError], name: str, *folders: Path) -> str:
    """What is said when a name can't be found."""
    with pytest.raises(expected) as caught:
        find_model(name, folders)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_pocket_model_is_found_by_name() -> None:
    source = find_model("pocket")
    assert source.kind is SourceKind.FOLDER
    assert source.path is not None
    assert source.path.name == "model"


def test_models_are_found_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model(tmp_path / "a-model")
    safetensors(tmp_path / "B.SafeTensors", {})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_model(str(tmp_path / "a-model")).kind is SourceKind.FOLDER
    assert find_model("./a-model").path == Path("a-model")
    assert find_model("~/a-model").path == tmp_path / "a-model"
    source = find_model("B.SafeTensors")
    assert (source.kind, source.location) == (SourceKind.FILE, "B.SafeTensors")


def test_folder_without_model_index_is_refused(tmp_path: Path) -> None:
    assert "has no model_index.json" in failure(ModelNotFoundError, str(tmp_path))


def test_file_that_is_not_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    failure(UnsupportedModelError, str(tmp_path / "a.png"))


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".pth", ".bin", ".pkl", ".CKPT"])
def test_pickle_is_refused_even_if_missing(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"m{suffix}"
    assert "pickle" in failure(UnsafeModelError, str(file))
    file.write_bytes(b"")
    assert "pickle" in failure(UnsafeModelError, str(file))


def test_models_are_found_by_name_in_the_model_folders(tmp_path: Path) -> None:
    safetensors(tmp_path / "dream_v8.safetensors", {})
    model(tmp_path / "tiny")
    (tmp_path / "notes.txt").write_text("")
    for name in ("dream_v8", "dream_v8.safetensors"):
        assert find_model(name, [tmp_path / "none", tmp_path]).path == (
            tmp_path / "dream_v8.safetensors"
        )
    assert find_model("tiny", [tmp_path]).path == tmp_path / "tiny"
    assert [source.name for source in installed_models([tmp_path])] == [
        "pocket",
        "dream_v8",
        "tiny",
    ]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Stable-diffusion/anime/a.safetensors", "Stable-diffusion/anime/a"),
        ("checkpoints/b.v1.safetensors", "checkpoints/b.v1"),
    ],
)
def test_model_folders_are_searched_deeply(tmp_path: Path, file: str, name: str) -> None:
    path = safetensors(tmp_path / file, {})
    for other in ("Lora", "loras/xl", "VAE", "ControlNet", "text_encoders", ".trash"):
        safetensors(tmp_path / other / "x.safetensors", {})
    model(tmp_path / "diffusers/tiny")
    safetensors(tmp_path / "diffusers/tiny/unet/weights.safetensors", {})
    (tmp_path / "again").symlink_to(tmp_path)
    found = installed_models([tmp_path])
    assert sorted(source.name for source in found) == sorted(["pocket", name, "diffusers/tiny"])
    for given in (name, f"{name}.safetensors", path.name, path.stem):
        assert find_model(given, [tmp_path]).path == path
    assert find_model("tiny", [tmp_path]).path == tmp_path / "diffusers/tiny"


def test_whole_name_precedes_that_of_a_file(tmp_path: Path) -> None:
    safetensors(tmp_path / "a/x.safetensors", {})
    path = safetensors(tmp_path / "x.safetensors", {})
    assert find_model("x", [tmp_path]).path == path


def test_working_directory_hides_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = safetensors(tmp_path / "models/sd15.safetensors", {})
    snapshot = cache("some/model")
    work = tmp_path / "work"
    for name in ("sd15", "some/model", "other/model"):
        (work / name).mkdir(parents=True)
    model(work / "mine")
    monkeypatch.chdir(work)
    assert find_model("sd15", [tmp_path / "models"]).path == path
    assert find_model("some/model").path == snapshot
    assert find_model("other/model").kind is SourceKind.HUB
    assert find_model("mine").path == Path("mine")
    assert "has no model_index.json" in failure(ModelNotFoundError, "./sd15", tmp_path / "models")


def test_hub_id_is_found_without_a_path() -> None:
    source = find_model("some/model-1.5_x")
    assert (source.kind, source.path) == (SourceKind.HUB, None)
    assert source.location == "some/model-1.5_x"


def test_models_in_the_hub_cache_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = cache("some/model")
    assert find_model("some/model").path == snapshot
    cache("some/newer--name", commit="def")
    names = [source.name for source in installed_models()]
    assert names == ["pocket", "some/model", "some/newer--name"]
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    assert find_model("some/model").path is None
    assert len(installed_models()) == 1


def test_incomplete_model_in_the_cache_is_ignored() -> None:
    snapshot = cache("some/model", parts=("vae",))
    assert cached_snapshot("some/model") is None
    (snapshot / "model_index.json").write_text("{")
    assert cached_snapshot("some/model") is None
    (snapshot / "model_index.json").unlink()
    assert find_model("some/model").path is None


@pytest.mark.parametrize("reference", [b"\xff\xfe", b"a\0b", b"", b"x" * 5000, b"../x", None])
def test_damaged_reference_in_the_cache_hides_only_its_model(reference: bytes | None) -> None:
    whole = cache("some/model")
    damaged = cache("some/other").parents[1] / "refs" / "main"
    damaged.unlink()
    if reference is None:
        damaged.mkdir()
    else:
        damaged.write_bytes(reference)
    assert cached_snapshot("some/other") is None
    assert [source.path for source in installed_models()][1:] == [whole]


def test_cache_folder_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert hub_cache_folder() == Path("~/.cache/huggingface/hub").expanduser()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert hub_cache_folder() == tmp_path / "huggingface" / "hub"
    monkeypatch.setenv("HF_HOME", "~/hf")
    assert hub_cache_folder() == Path("~/hf/hub").expanduser()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "c"))
    assert hub_cache_folder() == tmp_path / "c"


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"HF_HOME": "$PLACE/hf"},
        {"HUGGINGFACE_HUB_CACHE": "~/old"},
        {"HUGGINGFACE_HUB_CACHE": "/old", "HF_HUB_CACHE": "${PLACE}/new"},
        {"XDG_CACHE_HOME": "$PLACE/cache"},
    ],
)
def test_cache_folder_is_that_of_huggingface_hub(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    import subprocess
    import sys

    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"PLACE": "/place", **variables}.items():
        monkeypatch.setenv(name, value)
    code = "from huggingface_hub.constants import HF_HUB_CACHE; print(HF_HUB_CACHE)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(hub_cache_folder())


def test_moved_models_are_found_by_their_old_id() -> None:
    for old, new in MOVED.items():
        assert find_model(old).hub_id == new
    snapshot = cache("stable-diffusion-v1-5/stable-diffusion-v1-5")
    source = find_model("runwayml/stable-diffusion-v1-5")
    assert (source.name, source.path) == ("runwayml/stable-diffusion-v1-5", snapshot)


def test_error_suggests_the_nearest_name(tmp_path: Path) -> None:
    safetensors(tmp_path / "dreamshaper.safetensors", {})
    assert failure(ModelNotFoundError, "pokcet") == 'no model "pokcet". Did you mean "pocket"?'
    assert 'Did you mean "dreamshaper"?' in failure(ModelNotFoundError, "dreamshapr", tmp_path)
    assert "Give a path, a hub id" in failure(ModelNotFoundError, "qqqq")
    said = failure(ModelNotFoundError, "/none/x.safetensors")
    assert said.startswith("there is no file or folder /none/x.safetensors")


@pytest.mark.parametrize("name", ["x" * 5000, "a\x00b", "", "/", "a/b/c", "../x", "\ud800"])
def test_malformed_names_raise_a_model_error(name: str) -> None:
    with pytest.raises(ModelError):
        find_model(name)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("My.Model.v1.2-fp16", "sd1/anime/My.Model.v1.2-fp16"),
        ("my.model.V1.2-fp16", "sd1/anime/My.Model.v1.2-fp16"),
        ("anime/My.Model.v1.2-fp16.safetensors", "sd1/anime/My.Model.v1.2-fp16"),
        ("SD1\\Anime\\my.model.v1.2-FP16.safetensors", "sd1/anime/My.Model.v1.2-fp16"),
        ("folder.v2/", "folder.v2"),
        ("upper.safetensors", "UPPER"),
        ("Twin", "b/Twin"),
        ("twin", "a/twin"),
        ("TWIN", "a/twin"),
        ("B/TWIN", "b/Twin"),
    ],
)
def test_model_is_found_by_the_end_of_its_path_in_any_case(
    tmp_path: Path, name: str, found: str
) -> None:
    for file in ("sd1/anime/My.Model.v1.2-fp16", "a/twin", "b/Twin"):
        safetensors(tmp_path / f"{file}.safetensors", checkpoint("sd1"))
    safetensors(tmp_path / "UPPER.SAFETENSORS", checkpoint("sd1"))
    sd1_folder(tmp_path / "folder.v2")
    assert find_model(name, [tmp_path]).name == found


@pytest.mark.parametrize("name", ["Model.v1.2-fp16", "nime/My.Model.v1.2-fp16", "safetensors"])
def test_parts_of_a_name_find_nothing(tmp_path: Path, name: str) -> None:
    safetensors(tmp_path / "anime" / "My.Model.v1.2-fp16.safetensors", checkpoint("sd1"))
    try:
        found = find_model(name, [tmp_path])
    except ModelNotFoundError:
        return
    assert found.kind is SourceKind.HUB


@pytest.mark.parametrize(
    ("file", "error"),
    [
        ("old.ckpt", UnsafeModelError),
        ("x.PT", UnsafeModelError),
    ],
)
def test_unusable_files_are_listed_and_refused(
    tmp_path: Path, file: str, error: type[ModelError]
) -> None:
    (tmp_path / file).write_bytes(b"")
    safetensors(tmp_path / "old.safetensors", {})
    (source,) = [each for each in installed_models([tmp_path]) if each.name == file]
    assert source.path is not None
    with pytest.raises(error):
        describe_model(source.path)
    with pytest.raises(error):
        find_model(file, [tmp_path])
    assert find_model("old", [tmp_path]).path == tmp_path / "old.safetensors"


@pytest.mark.parametrize("missing", ["unet", "vae", "tokenizer"])
def test_folder_without_a_part_cannot_be_used(tmp_path: Path, missing: str) -> None:
    folder = sd1_folder(tmp_path / "m")
    for file in (folder / missing).iterdir():
        file.unlink()
    with pytest.raises(ModelDamagedError, match=f"the part {missing} is missing"):
        describe_model(folder)


@pytest.mark.parametrize(
    ("file", "missing"),
    [
        ("config.json", "config.json"),
        ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
        ("model.fp16-00002-of-00002.safetensors", "model.fp16-00001-of-00002.safetensors"),
    ],
)
def test_folder_without_a_file_of_a_part_cannot_be_used(
    tmp_path: Path, file: str, missing: str
) -> None:
    folder = sd1_folder(tmp_path / "m")
    weights = folder / "unet/diffusion_pytorch_model.safetensors"
    if file == "config.json":
        (folder / "unet" / file).unlink()
    else:
        weights.rename(weights.with_name(file))
    with pytest.raises(ModelDamagedError, match=f"{missing} can't be used: it is missing"):
        describe_model(folder)


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        (None, "names no pipeline"),
        (["pipeline", "Mine"], "Python code of its own"),
        ("UNet2DConditionModel", "no pipeline that makes pictures"),
        ("DiffusionPipeline", "no pipeline that makes pictures"),
    ],
)
def test_index_that_names_no_pipeline_of_diffusers_is_refused(
    tmp_path: Path, named: object, problem: str
) -> None:
    with pytest.raises(ModelError, match=problem):
        describe_model(sd1_folder(tmp_path / "m", _class_name=named))


def test_folder_whose_index_names_nothing_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(ModelDamagedError, match="names no parts"):
        describe_model(tmp_path)


def test_links_to_folders_above_and_hidden_files_are_ignored(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for name in ("a", "._a", ".cache/download/b", "deep/c"):
        safetensors(models / f"{name}.safetensors", checkpoint("sd1"))
    safetensors(tmp_path / "outside.safetensors", checkpoint("sd1"))
    for name, target in (("root", "/"), ("up", ".."), ("deep/loop", ".."), ("self", "self")):
        (models / name).symlink_to(target)
    found = [each.name for each in installed_models([models])]
    assert found == ["pocket", "a", "deep/c"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("flux-Q8_0", "sub/flux-Q8_0.gguf"),
        ("FLUX-q8_0.GGUF", "sub/flux-Q8_0.gguf"),
        ("twin", "twin"),
        ("twin.gguf", "twin.gguf"),
        ("plain.gguf", None),
    ],
)
def test_gguf_file_is_found_without_its_suffix(
    tmp_path: Path, name: str, found: str | None
) -> None:
    for file in ("twin.safetensors", "plain.safetensors"):
        safetensors(tmp_path / file, {})
    for file in ("sub/flux-Q8_0.gguf", "twin.gguf"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    model = model_of_name(name, installed_models([tmp_path]))
    assert (model and model.name) == found
