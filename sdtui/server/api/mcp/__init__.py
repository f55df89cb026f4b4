"""MCP, the Model Context Protocol: tools for agents, over HTTP and over stdin and stdout."""
