"""Pictures in the terminal: half-cells, Kitty and Sixel."""
