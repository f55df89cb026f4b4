"""All routes of this API."""

from sdtui.server.api.a1111 import extras, generate, lists, options, progress, unsupported

ROUTERS = (
    unsupported.router,
    extras.router,
    generate.router,
    progress.router,
    options.router,
    lists.router,
)
