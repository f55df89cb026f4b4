"""Everything that the app uses of Textual beyond its public interface, in one place.

Before Textual is upgraded, each of these has to be compared with the new version's code; then
CHECKED_VERSION is set to it.
"""

from __future__ import annotations

CHECKED_VERSION = "8.2.8"
