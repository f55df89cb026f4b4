"""All routes of this API."""

from sdtui.server.api.openai import edits, images, models

ROUTERS = (images.router, edits.router, models.router)
