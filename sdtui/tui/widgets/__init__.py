"""Widgets of the window and its panes."""
