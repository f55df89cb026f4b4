"""Captions for compositions, as users might write them."""

import random
import re
from collections.abc import Iterator

from sdtui.pocket.train.colours import COLOURS
from sdtui.pocket.train.compositions import BACKGROUNDS, Composition, Placing
from sdtui.pocket.train.objects import THINGS, Thing
from sdtui.pocket.train.scenes import SCENES
from sdtui.pocket.train.styles import Style

_LEADS = (
    "a photo of",
    "photo of",
    "a picture of",
    "picture of",
    "an image of",
    "image of",
    "a drawing of",
    "an emoji of",
    "a 3d render of",
    "an icon of",
)
_PRAISES = ("cute", "beautiful", "pretty", "funny", "lovely", "nice")
_DETAILS = ("high quality", "3d", "3d render", "detailed", "emoji", "icon", "simple", "glossy")
_COLOUR_NAMES: dict[str, tuple[str, ...]] = {
    "grey": ("grey", "gray"),
    "cyan": ("cyan", "turquoise", "teal"),
    "purple": ("purple", "violet"),
}
_BEHIND = (
    "on {a} {} background",
    "on {a} {} background",
    "on {a} {} background",
    "on {} background",
    "in front of {a} {} background",
    "against {a} {} background",
    "with {a} {} background",
    "on {}",
    ", {} background",
    ", {} background",
)
_SIZES: dict[Placing, tuple[str, ...]] = {
    Placing.LARGE: ("large", "big", "huge"),
    Placing.SMALL: ("small", "tiny", "little"),
}
_PLACES: dict[Placing, tuple[str, ...]] = {
    Placing.NORMAL: ("in the middle", "in the centre", "in the center"),
    Placing.LEFT: ("on the left", "at the left", "on the left side"),
    Placing.RIGHT: ("on the right", "at the right", "on the right side"),
    Placing.TOP: ("at the top", "on top", "at the top of the picture"),
    Placing.BOTTOM: ("at the bottom", "on the bottom", "at the bottom of the picture"),
}
_PAIRS: dict[Placing, tuple[str, ...]] = {
    Placing.PAIR: (
        "{0} and {1}",
        "{0} and {1}",
        "{0} next to {1}",
        "{0} beside {1}",
        "{0} left of {1}",
        "{0} to the left of {1}",
        "{1} right of {0}",
        "{1} to the right of {0}",
        "{0} on the left and {1} on the right",
    ),
    Placing.ON_TOP: (
        "{0} on top of {1}",
        "{0} on top of {1}",
        "{0} on {1}",
        "{0} above {1}",
        "{0} over {1}",
        "{0} standing on {1}",
        "{0} sitting on {1}",
        "{1} under {0}",
        "{1} below {0}",
    ),
    Placing.IN_FRONT: ("{0} in front of {1}", "{0} in front of {1}", "{1} behind {0}"),
}
_PLAIN_PAIRS = {
    Placing.PAIR: "{0} and {1}",
    Placing.ON_TOP: "{0} on top of {1}",
    Placing.IN_FRONT: "{0} in front of {1}",
}
_SCENES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "beach": (("on a beach", "at the beach", "on the beach"), ("a beach", "the beach")),
    "meadow": (
        ("in a meadow", "on a meadow", "on grass", "on the grass", "in a field"),
        ("a meadow", "a green field", "grass"),
    ),
    "night sky": (
        ("in the night sky", "under a night sky", "at night", "under the stars"),
        ("a night sky", "a starry night", "the stars at night"),
    ),
    "sky": (("in the sky", "in a blue sky", "in the clouds"), ("the sky", "a blue sky")),
    "snow": (("in the snow", "in a snowy landscape", "in winter"), ("snow", "a snowy landscape")),
    "desert": (("in the desert", "in a desert"), ("a desert", "the desert")),
    "sea": (("at sea", "on the sea", "in the ocean", "on the water"), ("the sea", "the ocean")),
    "underwater": (("underwater", "under water", "under the sea"), ("an underwater scene",)),
    "forest": (("in a forest", "in the forest", "in the woods"), ("a forest", "the woods")),
    "mountains": (
        ("in the mountains", "in front of mountains", "in the hills"),
        ("mountains", "a mountain landscape"),
    ),
    "sunset": (("at sunset", "in the sunset", "in front of a sunset"), ("a sunset",)),
    "city": (("in the city", "in a city", "in front of a city", "in town"), ("a city", "the city")),
}
"""For each scene, how captions say that an object is there, and how they name the scene alone."""
_STYLES: dict[Style, tuple[str, ...]] = {
    Style.FLAT: ("{}, flat", "{}, flat design", "flat icon of {}", "flat drawing of {}"),
    Style.OUTLINE: ("{}, outline", "{}, line art", "line drawing of {}", "outline of {}"),
    Style.PIXEL: ("{}, pixel art", "{}, pixel art", "pixel art of {}", "pixelated {}"),
    Style.WATERCOLOUR: (
        "{}, watercolour",
        "{}, watercolor",
        "watercolour of {}",
        "a watercolor painting of {}",
        "watercolour painting of {}",
    ),
}


def plain_caption(composition: Composition) -> str:
    """A short English caption, such as "a large cat on a blue background"."""
    caption = _plain_content(composition)
    if composition.style in _STYLES:
        caption = _STYLES[composition.style][0].format(caption)
    return caption


def _plain_content(composition: Composition) -> str:
    behind = composition.background
    if not composition.things:
        assert behind is not None
        return _SCENES[behind][1][0] if behind in SCENES else f"{_with_article(behind)} background"
    size = _SIZES.get(composition.placing, ("",))[0]
    phrases = [
        _with_article(" ".join(filter(None, (size, colour, thing.name))))
        for thing, colour in composition.coloured
    ]
    caption = _PLAIN_PAIRS.get(composition.placing, "{0}").format(*phrases)
    if composition.placing in _PLACES and composition.placing is not Placing.NORMAL:
        caption += " " + _PLACES[composition.placing][0]
    if behind in _SCENES:
        return f"{caption} {_SCENES[behind][0][0]}"
    return f"{caption} on {_with_article(behind)} background" if behind else caption


def draw_caption(composition: Composition, rng: random.Random) -> str:
    """A random caption of a composition."""
    caption = _draw_content(composition, rng)
    if composition.style in _STYLES:
        caption = rng.choice(_STYLES[composition.style]).format(caption)
    elif rng.random() < 0.3:
        caption = f"{rng.choice(_LEADS)} {caption}"
    if rng.random() < 0.08 and composition.style is Style.RENDER:
        caption += f", {rng.choice(_DETAILS)}"
    return caption.replace(" ,", ",")


def _draw_content(composition: Composition, rng: random.Random) -> str:
    behind = composition.background
    if not composition.things:
        if behind in _SCENES:
            return rng.choice(_SCENES[behind][1])
        return f"{rng.choice(('a', 'a plain', 'one'))} {_draw_colour(behind, rng)} background"
    phrases = [
        _draw_phrase(thing, colour, composition.placing, rng)
        for thing, colour in composition.coloured
    ]
    if composition.placing in _PAIRS:
        caption = rng.choice(_PAIRS[composition.placing]).format(*phrases)
    else:
        caption = phrases[0]
        places = _PLACES.get(composition.placing, ())
        if places and (composition.placing is not Placing.NORMAL or rng.random() < 0.04):
            caption += rng.choice((" ", " ", ", ")) + rng.choice(places)
    if behind in _SCENES:
        return f"{caption} {rng.choice(_SCENES[behind][0])}"
    if behind:
        colour = _draw_colour(behind, rng)
        caption += " " + rng.choice(_BEHIND).format(colour, a=_article(colour))
    return caption


def _draw_colour(name: str | None, rng: random.Random) -> str:
    assert name is not None
    return rng.choice(_COLOUR_NAMES.get(name, (name,)))


def _draw_phrase(thing: Thing, colour: str | None, placing: Placing, rng: random.Random) -> str:
    names = [name for name in thing.names if not (colour and _names_colour(name))]
    name = names[0] if rng.random() < 0.6 else rng.choice(names)
    words = [rng.choice(_SIZES[placing])] if placing in _SIZES else []
    if rng.random() < 0.08:
        words.append(rng.choice(_PRAISES))
    if colour:
        words.append(_draw_colour(colour, rng))
    phrase = " ".join([*words, name])
    article = rng.random()
    if article < 0.6:
        return _with_article(phrase)
    return f"{'the' if article < 0.66 else 'one'} {phrase}" if article < 0.7 else phrase


def _names_colour(name: str) -> bool:
    return not {*COLOURS, "golden", "gold"}.isdisjoint(name.split())


def _article(phrase: str) -> str:
    return "an" if phrase[0] in "aeio" else "a"


def _with_article(phrase: str) -> str:
    return f"{_article(phrase)} {phrase}"


def vocabulary_texts() -> Iterator[str]:
    """Texts with every word that captions may contain, for the tokenizer."""
    for thing in THINGS:
        yield from thing.names
    yield from (*_LEADS, *_PRAISES, *_DETAILS, "a an the one plain")
    yield from (*BACKGROUNDS, *COLOURS)
    for phrases in _SCENES.values():
        yield from (text for group in phrases for text in group)
    templates = (*_PAIRS.values(), *_STYLES.values())
    words = (*_COLOUR_NAMES.values(), *_SIZES.values(), *_PLACES.values())
    for group in (*words, _BEHIND, *templates):
        yield from (re.sub(r"{\w?}", "", text) for text in group)
