"""Training of LoRAs, in a process of its own: memory is freed for sure when it ends, and a crash
costs no queue."""
