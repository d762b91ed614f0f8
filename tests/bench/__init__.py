"""Measurements, ours and the peers' side by side. Run by `just bench`, never by the tests."""
