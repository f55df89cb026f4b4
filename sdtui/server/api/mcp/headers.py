"""The headers of MCP over HTTP."""

SESSION = "mcp-session-id"
VERSION = "mcp-protocol-version"
