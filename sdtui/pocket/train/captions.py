"""Captions for compositions, as users might write them."""

import random
import re
from collections.abc import Iterator

from sdtui.pocket.train.compositions import BACKGROUNDS, Composition, Placing
from sdtui.pocket.train.objects import THINGS, Thing

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
_COLOURS: dict[str, tuple[str, ...]] = {
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
_PAIRS = (
    "{0} and {1}",
    "{0} and {1}",
    "{0} next to {1}",
    "{0} beside {1}",
    "{0} left of {1}",
    "{1} right of {0}",
    "{0} on the left and {1} on the right",
)


def plain_caption(composition: Composition) -> str:
    """A short English caption, such as "a large cat on a blue background"."""
    size = _SIZES.get(composition.placing, ("",))[0]
    things = [_with_article(f"{size} {thing.name}".strip()) for thing in composition.things]
    place = ""
    if composition.placing in _PLACES and composition.placing is not Placing.NORMAL:
        place = " " + _PLACES[composition.placing][0]
    colour = composition.background
    behind = f" on {_with_article(colour)} background" if colour else ""
    return " and ".join(things) + place + behind


def draw_caption(composition: Composition, rng: random.Random) -> str:
    """A random caption of a composition."""
    phrases = [_draw_phrase(thing, composition.placing, rng) for thing in composition.things]
    if composition.placing is Placing.PAIR:
        caption = rng.choice(_PAIRS).format(*phrases)
    else:
        caption = phrases[0]
        places = _PLACES.get(composition.placing, ())
        if places and (composition.placing is not Placing.NORMAL or rng.random() < 0.04):
            caption += rng.choice((" ", " ", ", ")) + rng.choice(places)
    if rng.random() < 0.3:
        caption = f"{rng.choice(_LEADS)} {caption}"
    if composition.background:
        colour = rng.choice(_COLOURS.get(composition.background, (composition.background,)))
        caption += " " + rng.choice(_BEHIND).format(colour, a=_article(colour))
    if rng.random() < 0.08:
        caption += f", {rng.choice(_DETAILS)}"
    return caption.replace(" ,", ",")


def _draw_phrase(thing: Thing, placing: Placing, rng: random.Random) -> str:
    name = thing.name if rng.random() < 0.6 else rng.choice(thing.names)
    words = [rng.choice(_SIZES[placing])] if placing in _SIZES else []
    if rng.random() < 0.08:
        words.append(rng.choice(_PRAISES))
    phrase = " ".join([*words, name])
    article = rng.random()
    if article < 0.6:
        return _with_article(phrase)
    return f"{'the' if article < 0.66 else 'one'} {phrase}" if article < 0.7 else phrase


def _article(phrase: str) -> str:
    return "an" if phrase[0] in "aeio" else "a"


def _with_article(phrase: str) -> str:
    return f"{_article(phrase)} {phrase}"


def vocabulary_texts() -> Iterator[str]:
    """Texts with every word that captions may contain, for the tokenizer."""
    for thing in THINGS:
        yield from thing.names
    yield from (*_LEADS, *_PRAISES, *_DETAILS, "a an the one")
    yield from BACKGROUNDS
    for group in (*_COLOURS.values(), _BEHIND, *_SIZES.values(), *_PLACES.values(), _PAIRS):
        yield from (re.sub(r"{\w?}", "", text) for text in group)
