"""What a composition shows, as numbers that the text encoder learns to tell from its captions."""

from sdtui.pocket.train.colours import COLOURS
from sdtui.pocket.train.compositions import BACKGROUNDS, Composition, Placing
from sdtui.pocket.train.objects import THINGS
from sdtui.pocket.train.scenes import SCENES
from sdtui.pocket.train.styles import Style

_OBJECTS = {thing: number for number, thing in enumerate((None, *THINGS))}
_COLOURS = (None, *COLOURS)
_BACKGROUNDS = (None, *BACKGROUNDS, *SCENES)

CLASSES = (
    len(_OBJECTS),
    len(_OBJECTS),
    len(_COLOURS),
    len(_COLOURS),
    len(_BACKGROUNDS),
    len(Placing),
    len(Style),
)
"""How many values each label has."""
OBJECT_LABELS, COLOUR_LABELS, BACKGROUND_LABEL = (0, 1), (2, 3), 4
"""Their indexes."""


def number_of(name: str) -> int:
    """The value of the object with this name.

    Raises:
        ValueError: there is none.
    """
    for thing, number in _OBJECTS.items():
        if thing is not None and name in thing.names:
            return number
    raise ValueError(f"The pocket model has no object {name!r}: see objects.txt")


def labels(composition: Composition) -> list[int]:
    """Both objects, both colours, background, placing and style."""
    first, second = (*composition.coloured, (None, None), (None, None))[:2]
    return [
        _OBJECTS[first[0]],
        _OBJECTS[second[0]],
        _COLOURS.index(first[1]),
        _COLOURS.index(second[1]),
        _BACKGROUNDS.index(composition.background),
        list(Placing).index(composition.placing),
        list(Style).index(composition.style),
    ]
