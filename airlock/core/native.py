"""The optional native crate, `airlock._native`: the only place that imports it.

Nothing may come out differently for want of it: it is speed, or a codec that is named wherever it is needed.
"""

from functools import cache
from types import ModuleType


@cache
def native() -> ModuleType | None:
    """The extension module, which `airlock/_native.pyi` describes; None where it was not built."""
    try:
        from airlock import _native
    except ImportError:
        return None
    return _native
