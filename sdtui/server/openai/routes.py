"""All routes of this API."""

from sdtui.server.openai import images, models

ROUTERS = (images.router, models.router)
