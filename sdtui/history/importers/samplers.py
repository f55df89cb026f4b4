"""Names of samplers and noise schedules in other tools."""

from __future__ import annotations

from collections.abc import Mapping

from sdtui.core.samplers import SCHEDULES, sampler_labels

_SAMPLERS: Mapping[str, str] = {
    "euler": "Euler",
    "euler_a": "Euler a",
    "euler_ancestral": "Euler a",
    "heun": "Heun",
    "dpm2": "DPM2",
    "dpm_2": "DPM2",
    "kdpm_2": "DPM2",
    "dpm2_a": "DPM2 a",
    "dpm_2_a": "DPM2 a",
    "dpm_2_ancestral": "DPM2 a",
    "kdpm_2_a": "DPM2 a",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2m_sde_heun": "DPM++ 2M SDE Heun",
    "dpmpp_3m_sde": "DPM++ 3M SDE",
    "dpmpp_sde": "DPM++ SDE",
    "unipc": "UniPC",
    "uni_pc": "UniPC",
    "deis": "DEIS",
    "ddim": "DDIM",
    "ddpm": "DDPM",
    "plms": "PLMS",
    "pndm": "PLMS",
    "lcm": "LCM",
    "tcd": "TCD",
}

_PLAIN_SCHEDULES = {"", "automatic", "normal", "uniform", "default", "native", "discrete"}

_AUTOMATIC: Mapping[str, str] = {  # what A1111 takes where its schedule type is "Automatic"
    "DPM++ 2M": "Karras",
    "DPM++ SDE": "Karras",
    "DPM2": "Karras",
    "DPM2 a": "Karras",
    "DPM++ 2M SDE": "Exponential",
    "DPM++ 2M SDE Heun": "Exponential",
    "DPM++ 3M SDE": "Exponential",
}

_NEAREST: Mapping[str, str] = {
    # Solvers of the ODE: with enough steps all give the same picture.
    "lms": "DPM++ 2M",
    "lmsd": "DPM++ 2M",
    "dpm_fast": "DPM++ 2M",
    "dpm_adaptive": "DPM++ 2M",
    "dpmpp_2m_cfgpp": "DPM++ 2M",
    "dpmpp_3m": "DPM++ 2M",
    "res_multistep": "DPM++ 2M",
    "gradient_estimation": "DPM++ 2M",
    "ipndm": "DEIS",
    "ipndm_v": "DEIS",
    "sa_solver": "UniPC",
    "uni_pc_bh2": "UniPC",
    "ddim_cfgpp": "DDIM",
    "euler_cfgpp": "Euler",
    "heunpp2": "Heun",
    "restart": "Heun",
    # Those that add noise at each step.
    "euler_a_cfgpp": "Euler a",
    "euler_ancestral_cfgpp": "Euler a",
    "dpmpp_2s_a": "DPM++ SDE",
    "dpmpp_2s_ancestral": "DPM++ SDE",
    "dpmpp_2s_ancestral_cfgpp": "DPM++ SDE",
    "seeds_2": "DPM++ SDE",
    "seeds_3": "DPM++ SDE",
    "er_sde": "DPM++ 2M SDE",
    "res_multistep_ancestral": "DPM++ 2M SDE",
}
"""Samplers that diffusers lacks, or for which it needs another package, and the one here whose
method is most like theirs."""


def label_of_sampler(name: str, schedule: str | None = None) -> tuple[str | None, str | None]:
    """The label of a sampler with its noise schedule, and the name that is unknown here.

    An unknown sampler ("lms") gives no label, an unknown schedule ("beta") that of the sampler.
    """
    return _label(_SAMPLERS, name, schedule)


def nearest_sampler(name: str, schedule: str | None = None) -> tuple[str | None, str | None]:
    """For a sampler of other tools that is unknown here: like `label_of_sampler`, the label of the
    one whose method is most like it."""
    return _label(_NEAREST, name, schedule)


def _label(
    samplers: Mapping[str, str], name: str, schedule: str | None
) -> tuple[str | None, str | None]:
    key, suffix = _split(name)
    wanted = suffix or (schedule or "").strip().lower()
    sampler = samplers.get(key)
    if sampler is None:
        return None, name
    if wanted == "automatic":
        wanted = _AUTOMATIC.get(sampler, "").lower()
    if wanted in _PLAIN_SCHEDULES:
        return sampler, None
    label = f"{sampler} {wanted.capitalize()}"
    return (label, None) if label in sampler_labels() else (sampler, schedule or wanted)


def _split(name: str) -> tuple[str, str]:
    """A normalised sampler name, and the schedule in its suffix or ""."""
    key = name.strip().lower().replace("++", "pp").replace(" ", "_").replace("-", "_")
    key = key.removeprefix("k_").removesuffix("_gpu").replace("cfg_pp", "cfgpp")
    for suffix, schedule in (
        ("_k", "karras"),
        ("_ka", "karras"),
        ("_exp", "exponential"),
        *((f"_{each.lower()}", each.lower()) for each in SCHEDULES),
    ):
        if key.endswith(suffix):
            return key.removesuffix(suffix), schedule
    return key, ""
