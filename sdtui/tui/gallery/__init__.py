"""What the gallery lists and where each picture is, without widgets."""
