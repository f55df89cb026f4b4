"""Measure whole pictures that sdtui makes by OpenVINO against openvino-genai's own pipeline: SD 1.5
at 512 px, four steps with guidance, the same random weights, in turn (A B A B) within one process.

    python -m tests.benchmarks.openvino_speed build FOLDER      the model, for both; takes minutes
    python -m tests.benchmarks.openvino_speed time FOLDER [--pairs 1]
    python -m tests.benchmarks.openvino_speed compare FOLDER    pictures against torch in fp32

Needs the packages openvino, openvino-genai and openvino-tokenizers.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import torch
from PIL import Image
from torch import Tensor, nn

from sdtui.core.enums import DType, Runtime
from sdtui.core.settings import Settings
from sdtui.engine.generator import generate
from sdtui.engine.library_setup import quiet_libraries
from sdtui.engine.openvino.conversion import convert
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.models.component_files import CONFIGS
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.execution import Execution
from tests.support.single_files import random_pipeline

_PROMPT = "a red cat on a green sofa"
_SIDE, _STEPS, _GUIDANCE, _SEED = 512, 4, 7.5, 1


def main() -> None:
    """Build, measure or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=("build", "time", "compare"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=1)
    options = parser.parse_args()
    quiet_libraries()
    if options.work == "build":
        _build(options.folder)
    elif options.work == "time":
        _time(options.folder, options.pairs)
    else:
        _compare(options.folder)


@torch.no_grad()
def _build(folder: Path) -> None:
    """Write a diffusers folder, and in `genai` what openvino-genai reads: IRs in fp16, as the usual
    tools export them."""
    torch.manual_seed(0)
    pipeline = random_pipeline(CONFIGS / "sd1", torch.float32)
    latents, text = torch.randn(2, 4, 16, 16), torch.randn(2, 77, 768)
    # A picture of a wrong contrast would hide differences, or exaggerate them.
    _scale(pipeline.unet.conv_out, pipeline.unet(latents, 500, text).sample, 1.0)
    _scale(pipeline.vae.decoder.conv_out, pipeline.vae.decode(latents * 5).sample, 0.4)
    pipeline.save_pretrained(folder)
    _export(pipeline, folder, folder / "genai")


def _scale(layer: nn.Module, output: Tensor, std: float) -> None:
    """Scale a model's last layer, so that its output has this standard deviation."""
    for parameter in layer.parameters():
        parameter.mul_(std / output.std())


def _export(pipeline: Any, source: Path, target: Path) -> None:
    import openvino
    from openvino.preprocess import PrePostProcessor
    from openvino_tokenizers import convert_tokenizer

    def unet(sample: Tensor, timestep: Tensor, text: Tensor) -> tuple[Tensor, ...]:
        return (pipeline.unet(sample, timestep, text, return_dict=False)[0],)

    def decoder(latents: Tensor) -> tuple[Tensor, ...]:
        return (pipeline.vae.decode(latents, return_dict=False)[0],)

    latents, text = torch.zeros(2, 4, 9, 11), torch.zeros(2, 77, 768)
    models: dict[str, tuple[Any, Sequence[str]]] = {
        "unet": (
            convert(unet, pipeline.unet, [latents, torch.ones(1), text]),
            ("sample", "timestep", "encoder_hidden_states"),
        ),
        "vae_decoder": (convert(decoder, pipeline.vae, [latents]), ("latent_sample",)),
        "text_encoder": (
            openvino.convert_model(
                pipeline.text_encoder, example_input=torch.zeros(2, 77, dtype=torch.long)
            ),
            ("input_ids",),
        ),
    }
    for name, (model, inputs) in models.items():
        for place, of_input in zip(model.inputs, inputs, strict=True):
            place.get_tensor().set_names({of_input})
        if "timestep" in inputs:
            prepared = PrePostProcessor(model)
            prepared.input("timestep").tensor().set_element_type(openvino.Type.i64)
            model = prepared.build()  # noqa: PLW2901
        openvino.save_model(model, target / name / "openvino_model.xml")
        config = (source / name.removesuffix("_decoder") / "config.json").read_text()
        (target / name / "config.json").write_text(config)
    tokenizer = convert_tokenizer(pipeline.tokenizer, with_detokenizer=False)
    openvino.save_model(tokenizer, target / "tokenizer" / "openvino_tokenizer.xml")
    scheduler = {**pipeline.scheduler.config, "_class_name": "EulerDiscreteScheduler"}
    (target / "scheduler").mkdir()
    (target / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    index = {
        "_class_name": "StableDiffusionPipeline",
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (target / "model_index.json").write_text(json.dumps(index))


def _time(folder: Path, pairs: int) -> None:
    """Print the seconds of each pair, and the ratios."""
    import openvino_genai

    genai = openvino_genai.Text2ImagePipeline(folder / "genai", "CPU")

    def of_genai(steps: int) -> None:
        genai.generate(
            _PROMPT,
            width=_SIDE,
            height=_SIDE,
            num_inference_steps=steps,
            guidance_scale=_GUIDANCE,
            generator=openvino_genai.TorchGenerator(_SEED),
        )

    with StableDiffusionEngine(Settings(device="cpu")) as engine:

        def of_sdtui(steps: int) -> None:
            # Another prompt each time: embeddings are kept.
            prompt = f"{_PROMPT} {time.perf_counter()}"
            generate(engine, _request(folder, prompt=prompt, steps=steps))

        for make in (of_sdtui, of_genai):
            make(1)
        ratios = []
        for _ in range(pairs):
            own, other = _seconds(of_sdtui), _seconds(of_genai)
            ratios.append(own / other)
            sys.stdout.write(f"sdtui {own:.2f} s, openvino-genai {other:.2f} s\n")
            sys.stdout.flush()
    sys.stdout.write(
        f"ratio median {statistics.median(ratios):.3f} "
        f"(min {min(ratios):.3f}, max {max(ratios):.3f})\n"
    )


def _seconds(make: Any) -> float:
    before = time.perf_counter()
    make(_STEPS)
    return time.perf_counter() - before


def _compare(folder: Path) -> None:
    """Print how far pictures by OpenVINO are from those of torch in fp32, mean of all values."""
    pictures: dict[tuple[Runtime, DType], Image.Image] = {}
    usual = Runtime.TORCH, DType.FLOAT32
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        for runtime, dtype in (
            usual,
            (Runtime.TORCH, DType.BFLOAT16),
            (Runtime.OPENVINO, DType.BFLOAT16),
            (Runtime.OPENVINO, DType.FLOAT32),
        ):
            request = _request(folder, runtime=runtime, dtype=dtype)
            picture = generate(engine, request).images[0]
            pictures[runtime, dtype] = picture
            picture.save(folder / f"{runtime}-{dtype}.png")
            difference = numpy.abs(_values(picture) - _values(pictures[usual])).mean()
            sys.stdout.write(f"{runtime} {dtype}: {difference:.2f} of 255\n")
            sys.stdout.flush()


def _values(picture: Image.Image) -> Any:
    return numpy.asarray(picture).astype(float)


def _request(
    folder: Path,
    *,
    prompt: str = _PROMPT,
    steps: int = _STEPS,
    runtime: Runtime = Runtime.OPENVINO,
    dtype: DType = DType.AUTO,
) -> GenerationRequest:
    return GenerationRequest(
        prompt=prompt,
        model=str(folder),
        sampler="Euler",
        num_inference_steps=steps,
        guidance_scale=_GUIDANCE,
        width=_SIDE,
        height=_SIDE,
        seed=_SEED,
        execution=Execution(runtime=runtime, dtype=dtype),
    )


if __name__ == "__main__":
    main()
