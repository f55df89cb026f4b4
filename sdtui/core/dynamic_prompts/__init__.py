"""Dynamic prompts: texts with alternatives, variables and wildcards, and what they become."""
