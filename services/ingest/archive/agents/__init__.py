"""The archive for agents: tools of the Model Context Protocol (MCP)."""
