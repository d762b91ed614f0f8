"""`airlock push` and `airlock pull`, with a real registry and with one that does as a test tells it."""
