"""The kind `image`: container images, `[[image]]` in `airlock.toml`. Every blob is an artifact of its own."""
