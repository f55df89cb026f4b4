"""All routes of this API."""

from sdtui.server.a1111 import generate, lists, options, progress

ROUTERS = (generate.router, progress.router, options.router, lists.router)
