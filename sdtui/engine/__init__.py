"""The only package that imports torch and diffusers. It prints nothing and reports events."""

from sdtui.core.runtime import keep_compiled_code
from sdtui.engine.library_setup import quiet_libraries

# Before any other module of the package: torch reads where it keeps compiled code when it is
# imported, and the other libraries write messages.
keep_compiled_code()
quiet_libraries()
