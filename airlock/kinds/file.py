"""The kind `file`."""
