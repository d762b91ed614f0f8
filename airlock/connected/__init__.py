"""Commands of the machine with a network, one module each."""
