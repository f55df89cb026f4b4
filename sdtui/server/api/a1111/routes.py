"""All routes of this API."""

from sdtui.server.api.a1111 import generate, lists, options, progress, unsupported

ROUTERS = (unsupported.router, generate.router, progress.router, options.router, lists.router)
