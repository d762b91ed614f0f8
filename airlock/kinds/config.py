"""The kind `config`."""
