"""Speed presets and the optimisations that they turn on."""
