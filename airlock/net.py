"""The only module that opens a socket."""
