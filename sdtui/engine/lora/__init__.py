"""LoRAs: from their files to changed weights of a loaded model."""
