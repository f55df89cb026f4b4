"""Settings as other tools write them into pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.support.records import picture

A1111 = (
    "a cat, (sharp:1.2) <lora:film:0.8>\nNegative prompt: blurry\n"
    "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 42, "
    "Size: 512x768, Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Clip skip: 2, "
    'Lora hashes: "film: 1a2b3c4d5e6f", Version: v1.10.1'
)


COMFYUI: dict[str, Any] = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            **{"seed": 156680208700286, "steps": 20, "cfg": 8.0, "denoise": 1},
            **{"sampler_name": "dpmpp_2m", "scheduler": "karras"},
            **{"model": ["10", 0], "positive": ["6", 0], "negative": ["7", 0]},
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd\\base.safetensors"}},
    "5": {
        "class_type": "EmptyLatentImage",
        "inputs": {"width": 512, "height": 640, "batch_size": 1},
    },
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a bottle", "clip": ["10", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "watermark", "clip": ["10", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}, "is_changed": [float("nan")]},
    "10": {
        "class_type": "LoraLoader",
        "inputs": {"lora_name": "film.safetensors", "model": ["4", 0], "clip": ["4", 1]},
    },
}


INVOKEAI = {
    **{"positive_prompt": "a fox", "negative_prompt": "dull", "width": 512, "height": 512},
    **{"seed": 7, "cfg_scale": 7.5, "steps": 30, "scheduler": "dpmpp_2m_k", "rand_device": "cpu"},
    **{"model": {"key": "k", "hash": "blake3:1", "name": "Dreamshaper 8"}, "clip_skip": 0},
    **{"loras": [{"model": {"name": "film"}, "weight": 0.8}], "app_version": "5.0.0"},
}


FOOOCUS = {
    **{"prompt": "a barn", "negative_prompt": "", "steps": 30, "guidance_scale": 4.0},
    **{"sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras", "seed": "123", "sharpness": 2.0},
    **{"base_model": "juggernautXL", "base_model_hash": "aeb7e9e689", "version": "Fooocus v2.5.0"},
    "resolution": "(1152, 896)",
}


NOVELAI = {
    **{"steps": 28, "height": 768, "width": 512, "scale": 5.0, "seed": 99, "uc": "lowres"},
    **{"sampler": "k_euler_ancestral", "noise_schedule": "karras", "prompt": "a girl"},
}


SWARMUI = {
    "sui_image_params": {
        **{"prompt": "a ship", "negativeprompt": "fog", "model": "OfficialStableDiffusion/xl"},
        **{"seed": 5, "steps": 20, "cfgscale": 7, "width": 1024, "height": 1024},
    }
}


def png(path: Path, **texts: str) -> Path:
    """Write a PNG with texts; "_dash_" in their names stands for "-"."""
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key.replace("_dash_", "-"), text)
    picture().save(path, pnginfo=info)
    return path


def with_comment(path: Path, comment: bytes) -> Path:
    """Write a picture with EXIF's UserComment."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    picture().save(path, exif=exif)
    return path
