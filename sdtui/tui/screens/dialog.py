"""What every dialog has in common."""

from __future__ import annotations

from typing import TypeVar

from textual.screen import ModalScreen

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer]):
    """Lies over the window until it is answered."""

    def answer(self, answer: Answer) -> bool:
        """Give the answer and close; returns whether that could be. Two clicks may arrive at once,
        and something else may lie over the dialog: Textual's `dismiss` would close whatever is on
        top."""
        if self.app.screen is not self:
            return False
        self.dismiss(answer)
        return True
