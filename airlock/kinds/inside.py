"""Read the user's files below the manifest's directory, and nothing outside it."""

from pathlib import Path

from airlock.core.paths import safe_path
from airlock.errors import AirlockError, FetchError, IntegrityError, UsageError


def file_inside(directory: Path, path: str, where: str, error: type[AirlockError] = FetchError) -> Path:
    """The regular file that `path` names. Raises as `path_inside` does."""
    resolved = path_inside(directory, path, where, error)
    if not resolved.is_file():
        raise error(where, "not a regular file", found=repr(path))
    return resolved


def path_inside(directory: Path, path: str, where: str, error: type[AirlockError] = FetchError) -> Path:
    """What `path` names, links followed, as long as they end below `directory`. Raises `error`; what leads out of `directory`
    is an IntegrityError where it is not the user's own manifest that says so."""
    outside = error if error is UsageError else IntegrityError
    try:
        resolved = (directory / safe_path(path, where)).resolve(strict=True)
    except IntegrityError as fault:
        raise outside(where, fault.what, found=fault.found) from fault
    except (OSError, RuntimeError) as fault:
        raise error(where, "no such file", found=repr(path)) from fault
    if not resolved.is_relative_to(directory.resolve()):
        raise outside(
            where,
            "a link leads out of the manifest's directory",
            found=f"{path!r}, which is {str(resolved)!r}",
            hint="copy the file to below the manifest",
        )
    return resolved
