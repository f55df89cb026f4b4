"""The terminal: its input, its capabilities, and its restoration."""
