"""Commands of the machine without one, one module each."""
