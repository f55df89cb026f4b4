"""What the main screen does: each controller connects some panes with the backend."""
