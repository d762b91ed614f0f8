"""Pure values and algorithms: no file, socket, clock or environment is touched here; streams are passed in."""
