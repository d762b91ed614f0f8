"""airlock: declarative, reproducible builds and deployments for machines that are never connected."""

__version__ = "0.1.0"
