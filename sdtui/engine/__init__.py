"""The only rooms that know torch and diffusers. They print nothing and report events."""

from sdtui.engine.quiet import quiet_libraries

# Before anything else is imported from them: they write messages while they are imported.
quiet_libraries()
