"""The only rooms that know torch and diffusers. They print nothing and report events."""

from sdtui.engine.compiled import keep_compiled_code
from sdtui.engine.quiet import quiet_libraries

# Before anything else is imported from them: torch settles then where it keeps what it compiles,
# and the others write messages.
keep_compiled_code()
quiet_libraries()
