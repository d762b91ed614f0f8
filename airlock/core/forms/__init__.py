"""Expanded forms: containers taken apart into raw contents, and put together again to the bit."""
