"""The editor of captions: changes of many at once, and captions by a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

from textual import on
from textual.message import Message

from sdtui.core.errors import OutputError
from sdtui.core.text import counted, one_line
from sdtui.requests.training.caption_set import Change
from sdtui.requests.training.captioning import CaptionEvent
from sdtui.requests.training.captions import (
    have_tags,
    term_counts,
    with_replaced_words,
    with_words_at_end,
    with_words_in_front,
    without_tag,
)
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.captioner_run import CaptionerRun
from sdtui.tui.messages import message
from sdtui.tui.screens.caption_window import CaptionWindow
from sdtui.tui.screens.dialogs import AskScreen
from sdtui.tui.screens.search_dialog import ChooseScreen

_MOST_TERMS = 1000
"""Tags or words that are listed."""


class CaptionScreen(CaptionWindow):
    """Edits the captions of a folder on this machine. Changes of many are those of the pictures in
    the list, and can be undone."""

    _run: CaptionerRun | None = None
    _written = Change("")
    """What the model that runs has written."""
    _before: Mapping[Path, str | None] = MappingProxyType({})
    """The captions before it began."""

    @message
    class Reported(Message):
        """A captioner's process has reported something."""

        event: CaptionEvent

    # Changes of many

    def action_front(self) -> None:
        self._ask_for_words("Words in front of all captions", with_words_in_front)

    def action_append(self) -> None:
        self._ask_for_words("Words at the end of all captions", with_words_at_end)

    def _ask_for_words(self, title: str, edit: Callable[[str, str], str]) -> None:
        def take(words: str | None) -> None:
            if words and words.strip():
                what = f'"{one_line(words)}"'
                self._change(what, lambda line: edit(line, words))

        self.app.push_screen(AskScreen(f"{title} that are listed", hint="zorb, a photo"), take)

    def action_replace(self) -> None:
        def take(words: str | None) -> None:
            if words and words.strip():
                title = f'Replace "{one_line(words)}" by'
                question = AskScreen(title, hint="nothing: it is left out")
                self.app.push_screen(question, partial(self._replace, words.strip()))

        title = "Replace which words in all captions that are listed"
        self.app.push_screen(AskScreen(title, hint="whole words, in upper or lower case"), take)

    def _replace(self, words: str, replacement: str | None) -> None:
        if replacement is not None:
            new = replacement.strip()
            edit = partial(with_replaced_words, words=words, replacement=new)
            self._change(f'"{one_line(words)}" → "{one_line(new)}"', edit)

    def action_remove(self) -> None:
        """Ask for a tag or word, and leave it out."""
        self._choose_term_soon("Remove from all captions that are listed", self._remove)

    def _remove(self, term: str, lines: Sequence[str]) -> None:
        edit = partial(with_replaced_words, words=term, replacement="")
        if have_tags(lines):
            edit = partial(without_tag, tag=term)
        self._change(f'removing "{one_line(term)}"', edit)

    def action_terms(self) -> None:
        self._choose_term_soon("Captions with", lambda term, _: self.filter_by(term))

    def _choose_term_soon(self, title: str, take: Callable[[str, Sequence[str]], None]) -> None:
        start_worker(self, partial(self._choose_term, title, take), group="terms", exclusive=True)

    async def _choose_term(self, title: str, take: Callable[[str, Sequence[str]], None]) -> None:
        """Show the most frequent tags or words, and call `take` with one and all captions."""
        await self.save()
        known = self.list.captions
        found = (known.get(picture) for picture in self.list.items)
        lines = [each.line for each in found if each is not None and each.line]
        counts = await run_on_thread(lambda: term_counts(lines).most_common(_MOST_TERMS))
        if not counts:
            self.notify("There are no captions yet.", timeout=3)
            return
        names = {f"{count:>6,}  {one_line(term)}": term for term, count in counts}

        def answer(name: str | None) -> None:
            if name is not None:
                take(names[name], lines)

        self.app.push_screen(ChooseScreen(title, [*names]), answer)

    def _change(self, what: str, edit: Callable[[str], str]) -> None:
        start_worker(self, partial(self._change_all, what, edit), group="change")

    async def _change_all(self, what: str, edit: Callable[[str], str]) -> None:
        await self.save()
        if self.captions is None:
            return
        pictures = tuple(self.list.items)
        try:
            count = await self.disk.on_disk(partial(self.captions.change, what, edit, pictures))
        except OutputError as error:
            self.notify(str(error), severity="error")
        else:
            self.notify(f"{what}: {counted(count, 'caption')} changed.", timeout=5)
        self.show_captions()

    async def action_undo(self) -> None:
        await self.save()
        if self.captions is None:
            return
        try:
            undone = await self.disk.on_disk(self.captions.undo)
        except OutputError as error:
            self.notify(str(error), severity="error")
        else:
            text = "There is nothing to undo."
            if undone is not None:
                text = f"{undone[0]}: {counted(undone[1], 'caption')} as before."
            self.notify(text, timeout=5)
        self.show_captions()

    # A model

    async def action_caption(self) -> None:
        """Let the captioner write the caption of the picture; what was there can be undone."""
        await self.save()
        if self.shown is not None and self.shown in self.list.captions:
            self._begin([self.shown], overwrite=True)

    async def action_caption_missing(self) -> None:
        await self.save()
        known = self.list.captions
        missing = [each for each in self.list.items if each in known and known[each].text is None]
        if missing:
            self._begin(missing, overwrite=False)
        else:
            self.notify("All pictures that are listed have captions.", timeout=3)

    def _begin(self, pictures: list[Path], *, overwrite: bool) -> None:
        if self._run is not None:
            self.notify("A model is writing captions: s stops it.", timeout=3)
            return
        self.progress = "the model is loading"
        self.show_captions()
        self._written = Change("captions of the model")
        self._before = {each: self.list.captions[each].text for each in pictures}
        self._run = CaptionerRun(
            self.context.settings,
            self.context.backend,
            pictures,
            lambda event: self.post_message(self.Reported(event)),
            overwrite=overwrite,
        )

    def action_stop(self) -> None:
        if self._run is None:
            self.notify("No model is writing captions.", timeout=3)
        else:
            self._run.stop()
            self.notify("The model is being stopped.", timeout=3)

    def on_unmount(self) -> None:
        """Stop the model when the editor is left; what it wrote stays."""
        if self._run is not None:
            self._run.stop()

    @on(Reported)
    def _reported(self, event: Reported) -> None:
        told = event.event
        match told.kind:
            case "loading":
                self.progress = f"captions 0/{told.pictures:,}"
            case "caption":
                self.progress = f"captions {told.done:,}/{told.total:,}"
                start_worker(self, partial(self._note, Path(told.picture)), group="note")
            case "notice":
                self.notify(told.text, severity="warning")
            case "finished":
                self._run, self.progress = None, ""
                self.notify(f"{counted(told.captioned, 'caption')} written by the model.")
            case "failed":
                self._run, self.progress = None, ""
                self.notify(told.error, severity="error")
        self.show_captions()

    async def _note(self, picture: Path) -> None:
        if self.captions is not None:
            before = self._before[picture]
            await self.disk.on_disk(
                partial(self.captions.note_written, self._written, picture, before)
            )
            self.show_captions()
