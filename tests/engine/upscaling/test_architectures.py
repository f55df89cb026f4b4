"""Architectures of upscalers, tiny and with random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from sdtui.core.settings import Settings
from sdtui.engine.device import Device
from sdtui.engine.upscaling.model import load_upscaler
from sdtui.engine.upscaling.spandrel_import import import_spandrel
from sdtui.engine.upscaling.upscaler import UpscalingContext
from sdtui.engine.upscaling.upscalers import Upscalers
from tests.support.spandrel import needs_spandrel
from tests.support.upscalers import save_upscaler, tiny_esrgan

pytestmark = needs_spandrel


def _compact() -> torch.nn.Module:
    from spandrel.architectures.Compact import Compact

    model: torch.nn.Module = Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=2)
    return model


def _swinir() -> torch.nn.Module:
    from spandrel.architectures.SwinIR import SwinIR

    model: torch.nn.Module = SwinIR(
        upscale=2,
        img_size=16,
        window_size=8,
        depths=[2],
        embed_dim=12,
        num_heads=[2],
        mlp_ratio=2,
        upsampler="pixelshuffle",
    )
    return model


def _hat() -> torch.nn.Module:
    from spandrel.architectures.HAT import HAT

    model: torch.nn.Module = HAT(
        upscale=2,
        img_size=16,
        window_size=16,
        depths=(2,),
        embed_dim=60,
        num_heads=(2,),
        upsampler="pixelshuffle",
    )
    return model


def _dat() -> torch.nn.Module:
    from spandrel.architectures.DAT import DAT

    model: torch.nn.Module = DAT(
        upscale=2, img_size=16, split_size=[8, 8], depth=[2], embed_dim=60, num_heads=[2]
    )
    return model


def _span() -> torch.nn.Module:
    from spandrel.architectures.SPAN import SPAN

    model: torch.nn.Module = SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=2)
    return model


def _omnisr() -> torch.nn.Module:
    from spandrel.architectures.OmniSR import OmniSR

    model: torch.nn.Module = OmniSR(num_feat=16, up_scale=2)
    return model


_MAKERS: dict[str, Callable[[], torch.nn.Module]] = {
    "ESRGAN": lambda: tiny_esrgan(scale=2),
    "RealESRGAN Compact": _compact,
    "SwinIR": _swinir,
    "HAT": _hat,
    "DAT": _dat,
    "SPAN": _span,
    "OmniSR": _omnisr,
}


@pytest.mark.filterwarnings("ignore:torch.meshgrid:UserWarning")  # of SwinIR and HAT
@pytest.mark.parametrize("name", _MAKERS)
def test_architecture_is_recognised_and_doubles_a_picture(name: str, tmp_path: Path) -> None:
    import_spandrel()
    torch.manual_seed(1)
    save_upscaler(tmp_path / "2x.safetensors", _MAKERS[name]())
    assert load_upscaler(tmp_path / "2x.safetensors").architecture == name
    upscaler = Upscalers(Settings(upscaler_folders=(tmp_path,))).find("2x")
    context = UpscalingContext(Device(torch.device("cpu")))
    assert upscaler.upscale(Image.new("RGB", (40, 24)), 80, 48, context).size == (80, 48)


def test_weights_of_a_loaded_model_can_be_saved_as_the_manual_says(tmp_path: Path) -> None:
    from safetensors.torch import save_model

    spandrel = import_spandrel()
    torch.save(tiny_esrgan().state_dict(), tmp_path / "4x.pth")
    model = spandrel.ModelLoader().load_from_file(tmp_path / "4x.pth").model
    save_model(model, str(tmp_path / "4x.safetensors"))
    assert load_upscaler(tmp_path / "4x.safetensors").scale == 4


def test_face_restorer_is_no_upscaler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spandrel = import_spandrel()
    monkeypatch.setattr(
        spandrel.ImageModelDescriptor, "purpose", property(lambda _: "FaceSR"), raising=True
    )
    save_upscaler(tmp_path / "face.safetensors", tiny_esrgan())
    with pytest.raises(Exception, match="doesn't enlarge pictures"):
        load_upscaler(tmp_path / "face.safetensors")
