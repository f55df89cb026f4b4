"""The logic of the main screen: each controller connects panes with the backend."""
