"""Names of samplers and noise schedules, as people and other tools spell them: "dpmpp_2m_karras",
"k_dpmpp_2m", "DPMSolverMultistepScheduler"."""

from __future__ import annotations

from collections.abc import Mapping

from sdtui.core.errors import InvalidRequestError
from sdtui.core.samplers import SAMPLERS, SCHEDULES, canonical_label, plain_name, sampler_labels
from sdtui.core.text import shortened

_PLAIN_SUFFIXES = ("automatic", "normal", "uniform", "default", "native", "discrete")
_PLAIN_SCHEDULES = {"", *_PLAIN_SUFFIXES}

_AUTOMATIC: Mapping[str, str] = {  # what A1111 takes where its schedule type is "Automatic"
    "DPM++ 2M": "Karras",
    "DPM++ SDE": "Karras",
    "DPM2": "Karras",
    "DPM2 a": "Karras",
    "DPM++ 2M SDE": "Exponential",
    "DPM++ 2M SDE Heun": "Exponential",
    "DPM++ 3M SDE": "Exponential",
    "DPM++ 2S a": "Karras",
    "Restart": "Karras",
}

_NEAREST: Mapping[str, str] = {
    # Solvers of the ODE: with enough steps all give the same picture.
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
    # Those that add noise at each step.
    "euler_a_cfgpp": "Euler a",
    "euler_ancestral_cfgpp": "Euler a",
    "dpmpp_2s_ancestral_cfgpp": "DPM++ 2S a",
    "seeds_2": "DPM++ SDE",
    "seeds_3": "DPM++ SDE",
    "er_sde": "DPM++ 2M SDE",
    "res_multistep_ancestral": "DPM++ 2M SDE",
}
"""Samplers that diffusers lacks, or for which it needs another package, and the one here whose
method is most like theirs."""


def known_label(name: str) -> str:
    """Return the label that a name in any spelling stands for. Raises ValueError with the nearest
    label if there is no such sampler, or not with that schedule."""
    label, unknown = label_of_sampler(name)
    if label is not None and unknown is None:
        return label
    if label is not None:
        schedule = _SCHEDULES_BY_NAME.get(plain_name(unknown or ""), unknown)
        raise ValueError(f"{label} takes no noise schedule such as {schedule}")
    if plain_name(name) in _PLAIN_SUFFIXES:
        raise ValueError(f'there is no sampler "{name}"; leave it open for the model\'s own')
    similar, _ = nearest_sampler(name, "automatic")
    if similar is not None:
        raise ValueError(
            f'there is no sampler "{shortened(name)}"; the one most like it is "{similar}"'
        )
    try:
        return canonical_label(name)
    except InvalidRequestError as error:
        raise ValueError(error.problems[0].message) from error


def label_of_sampler(name: str, schedule: str | None = None) -> tuple[str | None, str | None]:
    """The label of a sampler with its noise schedule, and the name that is unknown here.

    An unknown sampler ("lms") gives no label, an unknown schedule ("beta") that of the sampler.
    """
    return _label(_KNOWN, name, schedule)


def nearest_sampler(name: str, schedule: str | None = None) -> tuple[str | None, str | None]:
    """For a sampler of other tools that is unknown here: like `label_of_sampler`, the label of the
    one whose method is most like it."""
    return _label(_REPLACEMENTS, name, schedule)


def _names_of_classes() -> Mapping[str, str]:
    """Return the samplers by the names of their classes in diffusers, as far as a class alone is
    the sampler."""
    return {
        plain_name(name): label
        for label, sampler in SAMPLERS.items()
        if "algorithm_type" not in sampler.settings
        for name in (sampler.scheduler, sampler.scheduler.removesuffix("Scheduler"))
    }


_KNOWN: Mapping[str, str] = {
    **_names_of_classes(),
    **{plain_name(label): label for label in SAMPLERS},
    **{"eulerancestral": "Euler a", "dpm2ancestral": "DPM2 a", "pndm": "PLMS"},
    **{"dpmpp2sancestral": "DPM++ 2S a", "lmsd": "LMS"},
}
"""By plain name."""

_REPLACEMENTS: Mapping[str, str] = {plain_name(name): label for name, label in _NEAREST.items()}

_SCHEDULES_BY_NAME: Mapping[str, str] = {
    **{plain_name(schedule): schedule for schedule in SCHEDULES},
    **{"ays": "Align Your Steps", "ddimuniform": "DDIM", "sgm": "SGM Uniform"},
}
"""By plain name; the short ones are ComfyUI's and Forge's."""

_SUFFIXES: Mapping[str, str] = {
    "": "",
    **{schedule: schedule for schedule in _SCHEDULES_BY_NAME},
    **{"k": "karras", "ka": "karras", "exp": "exponential"},
    **{schedule: schedule for schedule in _PLAIN_SUFFIXES},
}
"""The plain name of the schedule that stands behind a name; "_k" is InvokeAI's, "_ka" and "_exp"
are older forms."""


def _label(
    samplers: Mapping[str, str], name: str, schedule: str | None
) -> tuple[str | None, str | None]:
    key, suffix = _split(name, samplers)
    wanted = suffix or plain_name(schedule or "")
    sampler = samplers.get(key)
    if sampler is None:
        return None, name
    if wanted == "automatic":
        wanted = plain_name(_AUTOMATIC.get(sampler, ""))
    if wanted in _PLAIN_SCHEDULES:
        return sampler, None
    label = f"{sampler} {_SCHEDULES_BY_NAME.get(wanted, wanted)}"
    return (label, None) if label in sampler_labels() else (sampler, schedule or wanted)


def _split(name: str, samplers: Mapping[str, str]) -> tuple[str, str]:
    """Return the plain name of a sampler, and the schedule that stands behind it or "". "k_" and
    "sample_" before a name are k-diffusion's, "_gpu" behind it is ComfyUI's."""
    plain = plain_name(name)
    for suffix, schedule in _SUFFIXES.items():
        key = plain.removesuffix(suffix).removesuffix("gpu")
        if plain.endswith(suffix):
            for prefix in ("", "k", "sample"):
                if key.startswith(prefix) and key.removeprefix(prefix) in samplers:
                    return key.removeprefix(prefix), schedule
    return plain, ""
