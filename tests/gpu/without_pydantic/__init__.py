"""Modules in place of pydantic's, for the path of a process on a machine without it."""
