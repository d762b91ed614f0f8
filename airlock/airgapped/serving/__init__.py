"""`airlock serve`: what a site holds, to its own network, read only."""
