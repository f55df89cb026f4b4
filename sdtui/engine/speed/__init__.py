"""Speed presets and what they turn on."""
