"""All routes of this API."""

from sdtui.server.api.native import (
    adapters,
    generate,
    grids,
    health,
    history,
    jobs,
    pictures,
    prompts,
    trainings,
    unsaved,
)

ROUTERS = (
    generate.router,
    jobs.router,
    grids.router,
    unsaved.router,
    history.router,
    trainings.router,
    pictures.router,
    prompts.router,
    adapters.router,
    health.router,
)
