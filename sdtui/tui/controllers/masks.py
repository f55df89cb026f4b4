"""Drawing masks over pictures, and bringing them into the recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.screen import Screen

from sdtui.core.errors import HistoryError, ImageError
from sdtui.core.typed_paths import PathTextError, parse_typed_path, typed_text
from sdtui.requests.sections.inpaint import ALPHA
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.context import AppContext
from sdtui.tui.images.loader import LARGEST_SIDE, ShownPicture
from sdtui.tui.mask_editor.borders import Borders, borders_of
from sdtui.tui.recipe import Recipe

if TYPE_CHECKING:
    from PIL.Image import Image

    from sdtui.tui.mask_editor.editor import MaskEditor

INIT_IMAGE, MASK, BLUR, BORDERS = "init_image", "mask_image", "mask_blur", "outpaint"
"""The recipe's fields of what is drawn."""
_FIRST_BLUR = 4
"""Pixels."""


class MaskController:
    """Opens the mask editor, and fills the recipe with what was drawn."""

    def __init__(
        self, context: AppContext, screen: Screen[None], focus_prompt: Callable[[], None]
    ) -> None:
        """`screen` runs workers."""
        self._context = context
        self._screen = screen
        self._focus_prompt = focus_prompt

    @property
    def _recipe(self) -> Recipe:
        return self._context.recipe

    async def remove_unused(self) -> None:
        """Delete masks that nothing uses any more, on another thread."""
        from sdtui.tui.mask_editor.files import masks_folder, remove_unused

        backend = self._context.backend
        waiting = [job.request for job in backend.jobs.jobs() if not job.state.is_over]
        named = [str(path) for each in waiting for path in each.input_images().values()]
        named += [self._text(INIT_IMAGE), self._text(MASK)]
        pictures = backend.pictures
        with suppress(HistoryError):  # an index that can't be read says so elsewhere
            await run_on_thread(partial(remove_unused, masks_folder(), named, pictures.is_parent))

    async def draw_over(self, picture: ShownPicture) -> None:
        """Draw a mask over a picture. If the recipe starts from it, go on with its mask."""
        is_of_recipe = _path(self._text(INIT_IMAGE)) == picture.path
        mask = _path(self._text(MASK)) if is_of_recipe else None
        borders = borders_of(self._text(BORDERS)) if is_of_recipe else Borders()
        try:
            image, before = await run_on_thread(partial(self._read, picture, mask))
        except ImageError as error:
            self._context.show_error(error)
            return
        self._open(picture.path, image, before, borders)

    async def draw_over_init_image(self) -> None:
        """Draw the mask of the recipe's init image."""
        path = _path(self._text(INIT_IMAGE))
        if path is None:
            self._context.notify("A mask needs an init image: choose it first.", timeout=4)
        else:
            await self.draw_over(ShownPicture(path))

    def draw_over_init_image_soon(self) -> None:
        """Open the editor of the recipe's mask."""
        start_worker(self._screen, self.draw_over_init_image)

    def _read(self, picture: ShownPicture, mask: Path | None) -> tuple[Image, Image | None]:
        """Return a picture and its mask; a mask that can't be read is begun anew. Raises
        ImageError."""
        from sdtui.requests.input_images import open_mask, open_transparency

        image = self._context.picture_loader.load(picture, LARGEST_SIDE)
        if mask is None:
            return image, None
        is_alpha = str(mask) == ALPHA
        try:
            opened = open_transparency(picture.path) if is_alpha else open_mask(mask)
        except ImageError:
            return image, None
        return image, opened.image

    def _open(self, path: Path, image: Image, mask: Image | None, borders: Borders) -> None:
        from sdtui.tui.mask_editor.editor import MaskEditor
        from sdtui.tui.screens.mask import MaskScreen

        blur = self._text(BLUR)
        pixels = int(blur) if blur.isdecimal() else _FIRST_BLUR
        editor = MaskEditor(image, mask, borders=borders, blur=pixels)
        has_mask = mask is not None or bool(borders)

        def take(uses: bool | None) -> None:
            if uses:
                start_worker(self._screen, partial(self._use, path, editor))

        self._context.push_screen(MaskScreen(editor, may_be_empty=has_mask), take)

    async def _use(self, path: Path, editor: MaskEditor) -> None:
        """Write what was drawn, and fill the recipe with it."""
        try:
            texts = await run_on_thread(partial(recipe_texts, path, editor))
        except ImageError as error:
            self._context.show_error(error)
            return
        self._recipe.change(texts)
        self._focus_prompt()
        self._context.notify(said_of(texts, editor.share), timeout=5)

    def _text(self, name: str) -> str:
        return self._recipe.texts.get(name, "").strip()


def recipe_texts(path: Path, editor: MaskEditor) -> dict[str, str]:
    """Write what was drawn, and return the texts of the recipe's fields for it. Of a picture of
    which something was cut off, or that was deleted meanwhile, a copy is written too. Raises
    ImageError."""
    from sdtui.tui.mask_editor.files import keep_picture, masks_folder
    from sdtui.tui.mask_editor.result import drawn_mask

    drawn, folder = drawn_mask(editor), masks_folder()
    if drawn.picture is not None:
        path = keep_picture(drawn.picture, folder)
    elif not path.exists():
        path = keep_picture(editor.picture, folder)
    mask = "" if drawn.mask is None else typed_text(keep_picture(drawn.mask, folder))
    return {
        INIT_IMAGE: typed_text(path),
        MASK: mask,
        BLUR: str(drawn.blur),
        BORDERS: drawn.borders.text,
    }


def said_of(texts: Mapping[str, str], share: float) -> str:
    """Return the message about texts of `recipe_texts`; `share` of the picture is masked."""
    masked = f"{share * 100:.0f} % of the picture" if share >= 0.005 else "a part of the picture"
    repainted = [masked] * bool(texts[MASK]) + ["the borders"] * bool(texts[BORDERS])
    if not repainted:
        return "The picture has no mask."
    what = " and ".join(repainted)
    verb = "are" if texts[BORDERS] else "is"
    return f"{what[:1].upper()}{what[1:]} {verb} made anew. Say what is to be there."


def _path(text: str) -> Path | None:
    """Return the path in a text of the recipe; None if there is none."""
    try:
        return parse_typed_path(text) if text else None
    except PathTextError:
        return None
