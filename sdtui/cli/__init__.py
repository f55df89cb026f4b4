"""The commands: one small module each; heavy imports only inside the command that needs them."""
