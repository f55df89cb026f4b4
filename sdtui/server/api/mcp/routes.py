"""All routes of this API."""

from sdtui.server.api.mcp import endpoint

ROUTERS = (endpoint.router,)
