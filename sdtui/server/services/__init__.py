"""What the handlers of all three APIs share."""
