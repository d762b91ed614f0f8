"""Jinja2, held so that the same template and names give the same text on every machine, and nothing outside the
manifest's directory is read."""

import traceback
from collections.abc import Callable, Collection, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import FunctionLoader, StrictUndefined, TemplateError, TemplateSyntaxError, Undefined
from jinja2 import Template as JinjaTemplate
from jinja2.sandbox import ImmutableSandboxedEnvironment

from airlock.errors import AirlockError, UsageError
from airlock.kinds.inside import file_inside

MAX_RENDERED = 1 << 20
"""Bytes of UTF-8 that a template may be, and may render to."""

_PRINTABLE = (str, int, float, date, time, list, tuple, dict, Undefined)
"""What has one spelling. Anything else, such as a generator, prints its address, which differs from run to run."""


class Templates:
    """Every template of a manifest. Raises UsageError with file and line."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._inline: dict[str, str] = {}
        self._loaded: set[str] = set()
        self._environment = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined,
            keep_trailing_newline=True,
            finalize=_printable,
            loader=FunctionLoader(self._load),
        )
        del self._environment.filters["random"]
        del self._environment.globals["lipsum"]

    def at(self, path: str, where: str) -> "Template":
        """The template in a file, `path` relative to the manifest."""
        file_inside(self._directory, path, where, UsageError)
        return Template(path, lambda: self._environment.get_template(path), self._loaded)

    def inline(self, text: str, where: str) -> "Template":
        self._inline[where] = text
        return Template(where, lambda: self._environment.get_template(where), self._loaded)

    def _load(self, name: str) -> tuple[str, str, Callable[[], bool]]:
        self._loaded.add(name)
        text = self._inline[name] if name in self._inline else self._read(name)
        return text, name, lambda: True

    def _read(self, name: str) -> str:
        path = file_inside(self._directory, name, name, UsageError)
        with path.open("rb") as stream:
            data = stream.read(MAX_RENDERED + 1)
        if len(data) > MAX_RENDERED:
            raise UsageError(name, "too large a template", expected=f"at most {MAX_RENDERED} bytes")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise UsageError(name, f"not UTF-8 text, {error.reason} at byte {error.start}") from error


class Template:
    """One template, compiled when it is first rendered."""

    def __init__(self, name: str, load: Callable[[], JinjaTemplate], loaded: Collection[str]) -> None:
        """`loaded` are the names of all templates read so far, this one's includes among them."""
        self._name, self._load, self._loaded = name, load, loaded

    def render(self, names: Mapping[str, Any]) -> str:
        """The text, of at most MAX_RENDERED bytes. Raises UsageError with file and line."""
        try:
            return self._collect(self._load(), names)
        except AirlockError:
            raise
        except TemplateSyntaxError as error:
            raise UsageError(_place(error.name or self._name, error.lineno), str(error.message)) from error
        except Exception as error:  # what a template does is the user's: any fault of it has a place there
            self._refuse(error, names)

    def _collect(self, template: JinjaTemplate, names: Mapping[str, Any]) -> str:
        parts: list[str] = []
        size = 0
        for part in template.generate(dict(names)):
            size += len(part.encode())
            if size > MAX_RENDERED:
                raise UsageError(self._name, "renders to too much", expected=f"at most {MAX_RENDERED} bytes")
            parts.append(part)
        return "".join(parts)

    def _refuse(self, error: Exception, names: Mapping[str, Any]) -> NoReturn:
        frames = traceback.extract_tb(error.__traceback__)
        places = (
            _place(frame.filename, frame.lineno)
            for frame in reversed(frames)
            if frame.filename in self._loaded
        )
        what = str(error.message) if isinstance(error, TemplateError) else f"{type(error).__name__}: {error}"
        hint = f"names that the template has: {', '.join(sorted(names))}"
        raise UsageError(next(places, self._name), what, hint=hint) from error


def _place(name: str, line: int | None) -> str:
    return name if line is None else f"{name}: line {line}"


def _printable(value: Any) -> Any:
    if isinstance(value, _PRINTABLE):
        return value
    raise TypeError(f"a {type(value).__name__} has no text that is the same everywhere")
