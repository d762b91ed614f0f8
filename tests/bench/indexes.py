"""Which index stands behind a benchmark."""

import os

from airlock.core.reporter import Silent
from airlock.net import PipConfiguration


def upstream_index() -> str:
    """The one that pip is configured for."""
    return PipConfiguration(os.environ, Silent()).index()
