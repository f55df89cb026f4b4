"""Fetching a model from a hub, a real one on this machine."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import (
    CancelledError,
    DownloadError,
    SdtuiError,
    UnsafeModelError,
    UnsupportedModelError,
)
from sdtui.models import SourceKind, cached_snapshot, download_model, find_model, hub_cache_folder
from sdtui.models.hub import wanted_files
from tests.support.hub_server import Hub, running, use_instead_of_hub

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
}
FILES = {
    "model_index.json": json.dumps(INDEX).encode(),
    "README.md": b"# A model",
    "v1.safetensors": b"0" * 5000,
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": b"1" * 900_000,
    "unet/diffusion_pytorch_model.fp16.safetensors": b"2" * 450_000,
    "unet/diffusion_pytorch_model.bin": b"3" * 900_000,
    "vae/config.json": b'{"a": 1}',
    "vae/diffusion_pytorch_model.safetensors": b"4" * 100_000,
    "tokenizer/vocab.json": b"{ }",
    "tokenizer/merges.txt": b"#",
    "safety_checker/model.safetensors": b"5" * 1000,
}
WANTED = {
    "model_index.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
    "tokenizer/vocab.json",
    "tokenizer/merges.txt",
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with a model, in the place of the real one."""
    with running(Hub(dict(FILES))) as hub:
        use_instead_of_hub(hub, monkeypatch)
        yield hub


class Reports(list[tuple[int, int, float]]):
    """What was told of the bytes."""

    def __call__(self, done: int, total: int, speed: float) -> None:
        self.append((done, total, speed))


def fetch(reports: Reports | None = None, cancellation: Cancellation | None = None) -> Path:
    """Download the hub's model."""
    return download_model(
        "some/model", Reports() if reports is None else reports, cancellation or Cancellation()
    )


def test_only_the_files_that_a_pipeline_needs_are_fetched(hub: Hub) -> None:
    folder = fetch()
    assert set(hub.fetched) == WANTED
    for name in WANTED:
        assert (folder / name).read_bytes() == FILES[name]
    assert folder == cached_snapshot("some/model")
    source = find_model("some/model")
    assert (source.kind, source.path) == (SourceKind.HUB, folder)


def test_bytes_and_speed_are_reported(hub: Hub) -> None:
    reports = Reports()
    fetch(reports)
    total = sum(len(FILES[name]) for name in WANTED)
    assert {received for _, received, _ in reports} == {total}
    done = [done for done, _, _ in reports]
    assert done == sorted(done)
    assert done[-1] == total
    assert len(set(done)) > len(WANTED), "large files are told piece by piece"
    assert all(speed >= 0 for _, _, speed in reports)
    assert reports[-1][2] > 0


def test_nothing_is_fetched_twice(hub: Hub) -> None:
    fetch()
    hub.fetched.clear()
    reports = Reports()
    fetch(reports)
    assert hub.fetched == []
    assert reports[-1][0] == reports[-1][1]


def test_model_that_makes_no_pictures_is_refused_before_its_weights_are_fetched(hub: Hub) -> None:
    hub.files["model_index.json"] = json.dumps({**INDEX, "_class_name": "WanPipeline"}).encode()
    with pytest.raises(UnsupportedModelError, match="some/model is made for WanPipeline"):
        fetch()
    assert hub.fetched == ["model_index.json"]


def test_cancelled_download_is_resumed(hub: Hub) -> None:
    hub.pause = 0.005
    cancellation = Cancellation()

    def on_bytes(done: int, _: int, __: float) -> None:
        if done > 200_000:
            cancellation.stop_now()

    with pytest.raises(CancelledError):
        download_model("some/model", on_bytes, cancellation)
    assert find_model("some/model").path is None, "half a model is not taken for a whole one"
    assert not list(hub_cache_folder().glob("*/refs/*")), "nor by other programs"

    hub.pause = 0
    reports = Reports()
    folder = fetch(reports)
    for name in WANTED:
        assert (folder / name).read_bytes() == FILES[name]
    done = [done for done, _, _ in reports]
    assert done == sorted(done)
    assert done[-1] == reports[-1][1]
    assert not list(hub_cache_folder().rglob("*.incomplete"))


def test_download_cancelled_before_the_start_fetches_no_weights(hub: Hub) -> None:
    cancellation = Cancellation()
    cancellation.stop_now()
    with pytest.raises(CancelledError):
        fetch(cancellation=cancellation)
    assert not any(name.endswith(".safetensors") for name in hub.fetched)


def failure(expected: type[SdtuiError] = DownloadError, model: str = "some/model") -> str:
    """What is said when a download fails."""
    with pytest.raises(expected) as caught:
        download_model(model, Reports(), Cancellation())
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, "RepoNotFound", "the hub has no model some/model, or you may not see it"),
        (404, "RepoNotFound", "the hub has no model some/model, or you may not see it"),
        (403, "GatedRepo", "some/model asks you to accept its licence first"),
        (500, "", "some/model can't be downloaded: "),
        (404, "", "some/model can't be downloaded: "),
    ],
)
def test_refused_downloads_raise_errors_with_the_reason(
    hub: Hub, status: int, code: str, said: str
) -> None:
    hub.refusal = (status, code)
    assert failure().startswith(said)


def test_gated_model_asks_for_a_token(hub: Hub) -> None:
    hub.gated = True
    assert "HF_TOKEN" in failure()


@pytest.mark.parametrize("name", ["other/model", "a--b/c", "a/b..c", "a/b-"])
def test_unknown_hub_id_is_refused(hub: Hub, name: str) -> None:
    assert failure(model=name).startswith(f"the hub has no model {name}")


def test_repository_without_model_index_is_refused(hub: Hub) -> None:
    del hub.files["model_index.json"]
    assert "is not a diffusers model" in failure()


def test_repository_with_only_pickles_is_refused(hub: Hub) -> None:
    for name in [name for name in hub.files if name.startswith("unet/") and "safe" in name]:
        del hub.files[name]
    assert "pickle" in failure(UnsafeModelError)
    assert not any("pytorch_model" in name for name in hub.fetched)


def test_unreachable_hub_asks_to_check_the_network(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "Check the network" in failure()


def test_token_is_sent_to_the_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch()
    assert hub.tokens == {"Bearer hf_secret"}


def test_full_disk_asks_to_free_space(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", full)
    assert "Free some disk space" in failure()


_CHILD = """
import sys
from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import DownloadError
from sdtui.models import download_model
try:
    print(download_model("some/model", lambda *_: None, Cancellation()))
except DownloadError as error:
    print(error)
assert "torch" not in sys.modules
"""


@pytest.mark.parametrize("offline", ["0", "1"])
def test_hub_variables_of_the_environment_are_used(hub: Hub, tmp_path: Path, offline: str) -> None:
    variables = {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": offline,
        "HF_HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", _CHILD],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    if offline == "1":
        assert "HF_HUB_OFFLINE" in done.stdout
        assert hub.fetched == []
    else:
        assert Path(done.stdout.strip()).is_relative_to(tmp_path / "hub")


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["unet/a.safetensors", "unet/a.fp16.safetensors"], ["unet/a.fp16.safetensors"]),
        (["unet/a.safetensors", "unet/a.non_ema.safetensors"], ["unet/a.safetensors"]),
        (
            ["unet/a-00001-of-00002.safetensors", "unet/a-00002-of-00002.safetensors"],
            ["unet/a-00001-of-00002.safetensors", "unet/a-00002-of-00002.safetensors"],
        ),
        (["unet/a.safetensors", "unet/a.bin", "other/a.safetensors"], ["unet/a.safetensors"]),
        (["unet/a.bf16.safetensors", "unet/a.fp8.safetensors"], ["unet/a.bf16.safetensors"]),
        (["unet2/a.safetensors", "unet/config.json"], ["unet/config.json"]),
        (["unet/chat_template.jinja", "unet/a.py"], ["unet/chat_template.jinja"]),
    ],
)
def test_wanted_files_skip_unused_components(names: list[str], wanted: list[str]) -> None:
    assert wanted_files("a/b", names, ["unet"]) == wanted
