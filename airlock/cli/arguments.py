"""Types of arguments, for argparse."""

import argparse
from pathlib import Path


def existing(text: str) -> Path:
    """A file that must be there: one that is not is a mistake of the command line, told before any work."""
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"no such file: {text!r}")
    return path
