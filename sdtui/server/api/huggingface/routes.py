"""All routes of this API."""

from sdtui.server.api.huggingface import images

ROUTERS = (images.router,)
