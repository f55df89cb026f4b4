"""All routes of this API."""

from sdtui.server.ours import generate, health, history, jobs, pictures

ROUTERS = (generate.router, jobs.router, history.router, pictures.router, health.router)
