"""The modules that every Python of a version brings, on whatever platform, and those that belong to other worlds."""

import sys
from functools import lru_cache

OTHER_WORLDS = frozenset(
    {
        *(
            "pywintypes",
            "pythoncom",
            "win32api",
            "win32con",
            "win32event",
            "win32evtlog",
            "win32file",
            "win32gui",
        ),
        *(
            "win32pdh",
            "win32pipe",
            "win32process",
            "win32security",
            "win32service",
            "win32serviceutil",
            "winerror",
        ),
        *("win32clipboard", "win32com", "win32job", "win32net", "win32print", "win32ui", "wmi", "_winreg"),
        *("AppKit", "Cocoa", "CoreFoundation", "Foundation", "PyObjCTools", "Quartz", "objc", "_scproxy"),
        *(
            "clr",
            "System",
            "java",
            "javax",
            "org",
            "js",
            "pyodide",
            "pyodide_js",
            "_pyodide",
            "micropip",
            "browser",
        ),
        *(
            "__pypy__",
            "_pypy_util_cffi",
            "cppyy",
            "_cppyy",
            "pypyjit",
            "IronPython",
            "jnius",
            "android",
            "uctypes",
        ),
    }
)
"""Modules of platforms and implementations that no lock could provide where CPython runs on Linux."""


@lru_cache
def standard_library(python: tuple[int, int]) -> frozenset[str]:
    """Top-level names of the standard library of CPython `python`, those of all platforms."""
    from stdlib_list import short_versions, stdlib_list

    wanted = f"{python[0]}.{python[1]}"
    if wanted in short_versions:
        return frozenset(name.partition(".")[0] for name in stdlib_list(wanted))
    if python == sys.version_info[:2]:
        return frozenset(sys.stdlib_module_names)
    newest = max(short_versions, key=lambda text: tuple(map(int, text.split("."))))
    return frozenset(name.partition(".")[0] for name in stdlib_list(newest))
