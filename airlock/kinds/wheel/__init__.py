"""The kind `wheel`: Python distributions, resolved for a target that is not this machine."""
