"""The window and what opens over it."""
