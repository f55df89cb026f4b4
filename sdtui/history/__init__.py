"""Pictures on disk, each with its JSON beside it, and an index that can be rebuilt from them.

Other packages import from here and from `sdtui.history.importers`.
"""

from sdtui.history.entry import Changes, Entry, Imported, Page, SavedPicture, Skipped, Stats
from sdtui.history.store import History

__all__ = [
    "Changes",
    "Entry",
    "History",
    "Imported",
    "Page",
    "SavedPicture",
    "Skipped",
    "Stats",
]
