"""Options of A1111 that are fields of a request: set once, they hold for later requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sdtui.core.enums import Emphasis, Rng
from sdtui.core.settings import Settings
from sdtui.requests.request import GenerationRequest
from tests.support.live_server import live
from tests.support.model_files import safetensors
from tests.support.scripted_generator import ScriptedGenerator

_SMALL: dict[str, Any] = {"prompt": "a cat", "width": 64, "height": 64, "steps": 2}


@pytest.fixture(scope="module")
def made() -> ScriptedGenerator:
    return ScriptedGenerator()


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, made: ScriptedGenerator
) -> Iterator[httpx.Client]:
    """A client of a server with a VAE."""
    folder: Path = tmp_path_factory.mktemp("options")
    safetensors(folder / "VAE/bright.safetensors", {"decoder.conv_in.weight": (512, 4, 3, 3)})
    settings = Settings(device="cpu", vae_folders=(folder / "VAE",))
    with live(folder, lambda _: made, settings=settings) as running, running.client() as client:
        yield client


@pytest.fixture
def ask(server: httpx.Client) -> Iterator[httpx.Client]:
    before = server.get("/sdapi/v1/options").json()
    yield server
    assert server.post("/sdapi/v1/options", json=before).status_code == 200
    assert server.get("/sdapi/v1/options").json() == before


def _request(ask: httpx.Client, made: ScriptedGenerator, **body: Any) -> GenerationRequest:
    answer = ask.post("/sdapi/v1/txt2img", json={**_SMALL, **body})
    assert answer.status_code == 200, answer.text
    return made.requests[-1]


def test_they_hold_for_later_requests_until_the_defaults_take_them_back(
    ask: httpx.Client, made: ScriptedGenerator
) -> None:
    chosen = {
        "sd_vae": "bright.safetensors",
        "CLIP_stop_at_last_layers": 2,
        "emphasis": "No norm",
        "comma_padding_backtrack": 0,
        "randn_source": "NV",
        "skip_early_cond": 0.1,
    }
    set_ = ask.post("/sdapi/v1/options", json=chosen)
    assert set_.status_code == 200, set_.text
    assert "x-sdtui-not-applied" not in set_.headers
    assert ask.get("/sdapi/v1/options").json() | chosen == ask.get("/sdapi/v1/options").json()
    used = _request(ask, made)
    assert used.vae.vae == "bright.safetensors"
    assert (used.encoding.clip_skip, used.encoding.emphasis) == (2, Emphasis.NO_NORM)
    assert used.encoding.comma_backtrack == 0
    assert (used.noise.rng, used.guidance.guidance_start) == (Rng.NV, 0.1)

    usual = {"sd_vae": "Automatic", "CLIP_stop_at_last_layers": 1, "emphasis": "Original"}
    ask.post("/sdapi/v1/options", json=usual)
    used = _request(ask, made)
    assert used.vae.vae is None
    assert used.encoding.clip_skip is None
    assert (used.encoding.emphasis, used.noise.rng) == (Emphasis.ORIGINAL, Rng.NV)


def test_the_models_own_vae_has_a1111s_name(ask: httpx.Client, made: ScriptedGenerator) -> None:
    ask.post("/sdapi/v1/options", json={"sd_vae": "None"})
    assert ask.get("/sdapi/v1/options").json()["sd_vae"] == "None"
    assert _request(ask, made).vae.vae == "none"


def test_a_request_has_its_own_values(ask: httpx.Client, made: ScriptedGenerator) -> None:
    ask.post("/sdapi/v1/options", json={"randn_source": "NV", "sd_vae": "bright"})
    own = {"randn_source": "CPU", "sd_vae": "Automatic"}
    used = _request(ask, made, override_settings=own)
    assert (used.noise.rng, used.vae.vae) == (Rng.CPU, None)
    assert _request(ask, made).noise.rng is Rng.NV


def test_values_of_a_request_stay_if_it_asks_for_that(
    ask: httpx.Client, made: ScriptedGenerator
) -> None:
    options = {"override_settings": {"CLIP_stop_at_last_layers": 2}}
    _request(ask, made, **options)
    assert _request(ask, made).encoding.clip_skip is None
    _request(ask, made, **options, override_settings_restore_afterwards=False)
    assert _request(ask, made).encoding.clip_skip == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"CLIP_stop_at_last_layers": 13}, "CLIP_stop_at_last_layers: must be at most 12"),
        ({"CLIP_stop_at_last_layers": "many"}, "CLIP_stop_at_last_layers: "),
        ({"emphasis": "loud"}, "emphasis: "),
        ({"randn_source": 7}, "randn_source: "),
        ({"skip_early_cond": []}, "skip_early_cond: "),
        ({"sd_vae": "brihgt"}, 'there is no VAE "brihgt"; did you mean "bright'),
        ({"sd_vae": "/etc/passwd"}, "there is no VAE"),
        ({"sd_vae": {"a": 1}}, "sd_vae: "),
        ({"randn_source": "NV", "sd_model_checkpoint": "missing"}, "missing"),
    ],
)
def test_a_wrong_value_is_refused_and_nothing_is_changed(
    ask: httpx.Client, options: dict[str, Any], words: str
) -> None:
    before = ask.get("/sdapi/v1/options").json()
    answer = ask.post("/sdapi/v1/options", json=options)
    assert answer.status_code in (404, 422), answer.text
    assert words in answer.text.replace('\\"', '"')
    assert ask.get("/sdapi/v1/options").json() == before


def test_files_of_the_server_are_no_vaes(ask: httpx.Client, tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    safetensors(file, {"decoder.conv_in.weight": (512, 4, 3, 3)})
    answer = ask.post("/generate", json={"prompt": "x", "vae": str(file)})
    assert answer.status_code == 404
    assert "there is no VAE" in answer.text
