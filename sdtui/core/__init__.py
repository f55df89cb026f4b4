"""What all packages share: errors, settings, paths, files, text and fields. No libraries."""
