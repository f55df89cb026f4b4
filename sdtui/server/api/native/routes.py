"""All routes of this API."""

from sdtui.server.api.native import generate, health, history, jobs, pictures, unsaved

ROUTERS = (
    generate.router,
    jobs.router,
    unsaved.router,
    history.router,
    pictures.router,
    health.router,
)
