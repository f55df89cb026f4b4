"""What a training of a LoRA is asked for, and what it reports."""
