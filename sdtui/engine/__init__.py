"""The engine: the only package that imports torch and diffusers. It prints nothing; it reports
events."""

from sdtui.core.runtime import keep_compiled_code
from sdtui.engine.library_setup import quiet_libraries

# Before any other module of the package: torch reads the folder of its compile cache on import, and
# the other libraries write messages on import.
keep_compiled_code()
quiet_libraries()
