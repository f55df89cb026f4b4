"""All routes of this API."""

from sdtui.server.a1111 import absent, generate, lists, options, progress

ROUTERS = (absent.router, generate.router, progress.router, options.router, lists.router)
