"""The server's limit of pixels times steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdtui.core.errors import InvalidRequestError
from sdtui.jobs.wire.calls import CALLS
from sdtui.requests.request import GenerationRequest
from sdtui.server.api.attach.network_rules import restricted
from tests.support.live_server import live
from tests.support.scripted_generator import ScriptedGenerator


def test_jobs_of_too_much_work_are_refused_over_every_api(tmp_path: Path) -> None:
    size = {"prompt": "x", "width": 512, "height": 512}
    little: dict[str, Any] = {**size, "num_inference_steps": 8}  # 2.1 megapixels times steps
    generator = ScriptedGenerator()
    with live(tmp_path, lambda _: generator, max_work=4.0) as running, running.client() as ask:
        assert ask.post("/generate", json=little).status_code == 200
        grid = {"request": little, "x": {"axis": "steps", "values": "8,16"}}
        for path, body in (
            ("/generate", {**little, "num_inference_steps": 16}),
            ("/generate", {**little, "num_images_per_prompt": 2}),
            ("/generate", {**little, "hires_scale": 1.5}),
            ("/sdapi/v1/txt2img", {**size, "steps": 16}),
            ("/v1/images/generations", {"prompt": "x", "size": "512x512", "steps": 16}),
            ("/grids", grid),
        ):
            answer = ask.post(path, json=body)
            assert answer.status_code in (400, 422), path
            assert "megapixels times steps" in answer.text
            assert "this server's 4" in answer.text
        request = GenerationRequest.parse({**little, "num_inference_steps": 16})
        with pytest.raises(InvalidRequestError, match="megapixels times steps"):
            restricted(running.services, CALLS["jobs", "submit"], {"request": request})
    assert len(generator.requests) == 1
