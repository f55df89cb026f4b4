"""How the pocket model was made; `python -m sdtui.pocket.train` makes it again."""
