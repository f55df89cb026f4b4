"""The backend of another process or machine, over a connection to its server."""
