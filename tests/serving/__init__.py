"""`airlock serve`, asked by stock clients on the loopback."""
