"""All routes of this API."""

from sdtui.server.api.attach import calls, events, pictures

ROUTERS = (calls.router, events.router, pictures.router)
