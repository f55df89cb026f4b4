"""An app with the roles of the themes, and one notation of keys."""

from __future__ import annotations

import math

from textual.app import App
from textual.binding import Binding
from textual.driver import Driver

from sdtui.tui.key_names import key_name, key_names
from sdtui.tui.themes import OWN_THEMES, role_variables


class ThemedApp(App[int], inherit_bindings=False):
    """The base of the app."""

    def __init__(self, driver_class: type[Driver] | None = None) -> None:
        super().__init__(driver_class)
        for theme in OWN_THEMES:
            self.register_theme(theme)

    @property
    def shows_key_signs(self) -> bool:
        """False in a terminal without `⏎` and arrows; keys are written in ASCII there."""
        return True

    @property
    def silence(self) -> float:
        """Seconds since the last key."""
        return math.inf

    def get_css_variables(self) -> dict[str, str]:
        """Return the theme's variables with those of the roles."""
        self.theme_variables = {
            **super().get_css_variables(),
            **role_variables(self.current_theme),
        }
        return self.theme_variables

    def get_key_display(self, binding: Binding) -> str:
        """Return how a binding's key is written."""
        return key_name(binding.key, ascii_only=not self.shows_key_signs)


def written_keys(app: App[object], keys: str) -> str:
    """Return how the keys of a list, separated by commas, are written in an app."""
    in_ascii = isinstance(app, ThemedApp) and not app.shows_key_signs
    return " ".join(key_names(keys, ascii_only=in_ascii))
