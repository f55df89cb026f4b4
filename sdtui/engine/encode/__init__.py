"""From prompts to embeddings, with the CLIP text encoders of SD 1.x, 2.x and SDXL."""
