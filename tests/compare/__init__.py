"""The table of docs/lock.md, each cell run: airlock beside uv, pip-tools, Poetry and PDM against an index on the loopback.

    python -m tests.compare --pip-tools DIR --poetry DIR --pdm DIR [--only WORD] [--write docs/lock.md]

Each DIR is a virtual environment with that tool (Poetry with its export plugin); uv is that of this one. Minutes.
"""
