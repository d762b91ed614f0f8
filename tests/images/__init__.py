"""Container images: what is read, pinned, fetched, placed and handed on."""
