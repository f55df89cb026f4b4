"""Pictures on disk, each with its JSON next to it, and an index that can be rebuilt from them.

Other packages import from here and from `sdtui.history.importers`. What needs SQLite is imported
when it is used: an app whose pictures are on another machine has no index.
"""

from typing import TYPE_CHECKING, Any

from sdtui.history.attachments import attachments_of
from sdtui.history.entry import (
    Changes,
    Entry,
    Imported,
    Page,
    SavedPicture,
    Skipped,
    Stats,
    TrashedPicture,
)
from sdtui.history.highlight import found_in
from sdtui.history.ids import (
    IDS_PER_MILLISECOND,
    POSITIONS,
    first_id,
    first_id_of_day,
    position_in_run,
    time_of,
)
from sdtui.history.image_metadata import read_texts
from sdtui.history.infotext import INFOTEXT_KEYWORD, encoded, parse_infotext, write_infotext
from sdtui.history.lineage import Lineage, Relative, tree_lines
from sdtui.history.names import PICTURE_SUFFIXES, numbered, sidecar_path
from sdtui.history.search import is_query
from sdtui.history.sheet import contact_sheet, default_columns, missing_letters_notice
from sdtui.history.sidecar import MAX_TAG, read_record

if TYPE_CHECKING:
    from sdtui.history.folder import check_replaceable
    from sdtui.history.store import History

__all__ = [
    "IDS_PER_MILLISECOND",
    "INFOTEXT_KEYWORD",
    "MAX_TAG",
    "PICTURE_SUFFIXES",
    "POSITIONS",
    "Changes",
    "Entry",
    "History",
    "Imported",
    "Lineage",
    "Page",
    "Relative",
    "SavedPicture",
    "Skipped",
    "Stats",
    "TrashedPicture",
    "attachments_of",
    "check_replaceable",
    "contact_sheet",
    "default_columns",
    "encoded",
    "first_id",
    "first_id_of_day",
    "found_in",
    "is_query",
    "missing_letters_notice",
    "numbered",
    "parse_infotext",
    "position_in_run",
    "read_record",
    "read_texts",
    "sidecar_path",
    "time_of",
    "tree_lines",
    "write_infotext",
]


def __getattr__(name: str) -> Any:
    if name == "History":
        from sdtui.history.store import History

        return History
    if name == "check_replaceable":
        from sdtui.history.folder import check_replaceable

        return check_replaceable
    raise AttributeError(name)
