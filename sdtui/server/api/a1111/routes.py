"""All routes of this API."""

from sdtui.server.api.a1111 import (
    controlnet,
    extras,
    generate,
    lists,
    options,
    progress,
    unsupported,
    window,
)

ROUTERS = (
    unsupported.router,
    extras.router,
    generate.router,
    progress.router,
    options.router,
    lists.router,
    controlnet.router,
    window.router,
)
