"""Services that the handlers of all three APIs use."""
