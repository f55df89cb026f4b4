"""All routes of this API."""

from sdtui.server.api.native import (
    generate,
    grids,
    health,
    history,
    jobs,
    pictures,
    prompts,
    unsaved,
)

ROUTERS = (
    generate.router,
    jobs.router,
    grids.router,
    unsaved.router,
    history.router,
    pictures.router,
    prompts.router,
    health.router,
)
