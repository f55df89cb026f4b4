"""The only rooms that know torch and diffusers. They print nothing and report events."""

from sdtui.engine.library_setup import quiet_libraries
from sdtui.engine.speed.compile_cache import keep_compiled_code

# Before anything else is imported from them: torch settles then where it keeps what it compiles,
# and the others write messages.
keep_compiled_code()
quiet_libraries()
