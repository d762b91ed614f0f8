"""`airlock audit --run`: an application is run where there is no network, and everything that it reaches for is written down.

The network namespace and strace prove; the audit hook (PEP 578), which any native code passes by, says which line of Python it was.
"""
