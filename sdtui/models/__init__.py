"""What models there are and what can be known of them without loading them. Free of torch."""
