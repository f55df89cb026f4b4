"""All routes of this API."""

from sdtui.server.api.a1111 import generate, lists, options, progress
from sdtui.server.api.a1111 import unsupported as absent

ROUTERS = (absent.router, generate.router, progress.router, options.router, lists.router)
