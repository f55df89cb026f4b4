"""All routes of this API."""

from sdtui.server.api.attach import calls, events, pictures, transfer

ROUTERS = (calls.router, events.router, pictures.router, transfer.router)
