"""What was asked for, and what came of it: plain data that survives a trip through JSON."""
