"""Which shared libraries this machine has, where its loader looks (ld.so(8))."""

from functools import cache
from pathlib import Path

_FOLDERS = ("/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib")
_SETTINGS = Path("/etc/ld.so.conf.d")
_TRIPLETS = "*-linux-*"


@cache
def _known() -> dict[str, str]:
    folders = [Path(folder) for folder in _FOLDERS]
    folders += [inner for folder in ("/lib", "/usr/lib") for inner in sorted(Path(folder).glob(_TRIPLETS))]
    for setting in sorted(_SETTINGS.glob("*.conf")) if _SETTINGS.is_dir() else ():
        lines = setting.read_text(errors="replace").splitlines()
        folders += [Path(line.strip()) for line in lines if line.startswith("/")]
    found: dict[str, str] = {}
    for folder in folders:
        try:
            names = sorted(path.name for path in folder.iterdir())
        except OSError:
            continue
        for name in names:
            if ".so" in name:
                found.setdefault(name, f"{folder}/{name}")
    return found


def library_at(name: str) -> str:
    """The path of a library by its file name; empty where the machine does not have it."""
    return _known().get(name, "")
