"""A1111's script "Prompts from file or textbox": a request for each line of a text.

scripts/prompts_from_file.py of A1111 1.10. A line is a prompt, or options such as
`--prompt "a cat" --steps 20`; a line whose options can't be read is a prompt too.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdtui.core.text import shortened
from sdtui.requests.request import RANDOM_SEED, nth_seed, random_seed
from sdtui.server.api.a1111.scripts.script import ScriptArgument, ScriptInfo, wrong_argument

NAME = "prompts from file or textbox"

_PLACES = ("start", "end")
_ARGUMENTS = {3: ("iterate", "same", "text"), 4: ("iterate", "same", "place", "text")}
"""By their number: A1111 before 1.8 has three."""
_PROMPTS = ("prompt", "negative_prompt")


def _is_true(text: str) -> bool:
    return text == "true"


def _names(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


_READERS: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(("sd_model", "sampler_name"), str),
    **dict.fromkeys(("outpath_samples", "outpath_grids", "prompt_for_display"), str),
    **dict.fromkeys(("seed", "subseed", "seed_resize_from_h", "seed_resize_from_w"), int),
    **dict.fromkeys(("batch_size", "n_iter", "steps", "width", "height", "sampler_index"), int),
    **dict.fromkeys(("subseed_strength", "cfg_scale"), float),
    **dict.fromkeys(("restore_faces", "tiling"), _is_true),
    **dict.fromkeys(("do_not_save_samples", "do_not_save_grid"), _is_true),
    "styles": _names,
}
"""The options besides prompts, by A1111's names."""
_LEFT_OUT = ("outpath_samples", "outpath_grids", "prompt_for_display", "sampler_index")
"""Those that mean nothing here: folders of the server, and numbers in A1111's list of samplers."""


@dataclass(frozen=True)
class LinesScript:
    """What a client asks of the script."""

    lines: tuple[Mapping[str, Any], ...]
    """Fields of a request under A1111's names, for each line."""
    counts_seed: bool
    """True if the seed counts up from line to line."""
    has_one_seed: bool
    """True if a random seed is the same for all lines."""
    is_before: bool
    """True if prompts of lines stand before the request's."""

    def changes(self, shared: Mapping[str, Any], count: int) -> Iterator[dict[str, Any]]:
        """Yield the fields that each line changes. `shared` are the prompts and the seed of the
        request, which makes `count` pictures."""
        seed = shared["seed"]
        if seed in (None, RANDOM_SEED):
            seed = random_seed() if self.counts_seed or self.has_one_seed else RANDOM_SEED
        for number, line in enumerate(self.lines):
            changed = {"seed": nth_seed(seed, number * count) if self.counts_seed else seed}
            changed |= {name: each for name, each in line.items() if name not in _LEFT_OUT}
            for name in _PROMPTS:
                if line.get(name) and shared[name]:
                    both = (line[name], shared[name])
                    changed[name] = " ".join(both if self.is_before else reversed(both))
            yield changed


def parse_arguments(arguments: Sequence[Any]) -> LinesScript:
    """Parse `script_args`. Raises ApiError (422)."""
    names = _ARGUMENTS.get(len(arguments))
    if names is None:
        message = f"the script Prompts from file takes 4 arguments, not {len(arguments)}"
        raise wrong_argument(message)
    given = {"place": _PLACES[0], **dict(zip(names, arguments, strict=True))}
    if not isinstance(given["text"], str):
        raise wrong_argument("the last argument of the script Prompts from file is a text")
    if given["place"] not in _PLACES:
        message = (
            f"the script Prompts from file takes start or end, not {shortened(str(given['place']))}"
        )
        raise wrong_argument(message)
    lines = [line.strip() for line in given["text"].splitlines()]
    return LinesScript(
        tuple(_parse_line(line) for line in lines if line),
        bool(given["iterate"]),
        bool(given["same"]),
        given["place"] == _PLACES[0],
    )


def _parse_line(line: str) -> Mapping[str, Any]:
    if "--" not in line:
        return {"prompt": line}
    try:
        return dict(_options(shlex.split(line)))
    except ValueError:
        return {"prompt": line}


def _options(words: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield the options of a line. Raises ValueError."""
    rest = list(words)
    while rest:
        name = rest.pop(0)
        if not name.startswith("--") or not rest:
            raise ValueError(name)
        name = name.removeprefix("--")
        if name in _PROMPTS:
            text = [rest.pop(0)]
            while rest and not rest[0].startswith("--"):
                text.append(rest.pop(0))
            yield name, " ".join(text)
        elif name in _READERS:
            yield name, _READERS[name](rest.pop(0))
        else:
            raise ValueError(name)


def script_info(*, is_img2img: bool) -> ScriptInfo:
    """Describe the script's arguments."""
    return ScriptInfo(
        name=NAME,
        is_alwayson=False,
        is_img2img=is_img2img,
        args=[
            ScriptArgument(label="Iterate seed every line", value=False),
            ScriptArgument(label="Use same random seed for all lines", value=False),
            ScriptArgument(label="Insert prompts at the", value="start", choices=[*_PLACES]),
            ScriptArgument(label="List of prompt inputs", value=""),
        ],
    )
