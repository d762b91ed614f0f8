"""Read a parsed TOML or JSON table field by field; each fault is told with its place, as `artifacts[3].size`."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from airlock.core.digest import Digest, parse_digest
from airlock.core.paths import SafePath, safe_path
from airlock.errors import AirlockError

T = TypeVar("T")

_LONGEST = 100
"""Characters of a key that may have been misspelt, and how many keys are compared with it."""
_NAMES = {str: "a string", int: "a whole number", bool: "true or false", dict: "a table", list: "an array"}


class Fields:
    """One table on its way to a value. Call `done` last: it refuses every key that was not asked for.

    `error` is the family that a fault belongs to (UsageError for what people write, IntegrityError for what machines
    write), `where` the file, `path` the place in it.
    """

    def __init__(self, table: object, where: str, error: type[AirlockError], path: str = "") -> None:
        self.where, self.error, self.path = where, error, path
        if not isinstance(table, Mapping):
            raise self.fault("", f"expected a table, found {_kind(table)}")
        self._table = cast("Mapping[str, Any]", table)
        self._asked: set[str] = set()

    def fault(self, key: str, what: str, hint: str | None = None) -> AirlockError:
        place = ".".join(part for part in (self.path, key) if part)
        return self.error(f"{self.where}: {place}" if place else self.where, what, hint=hint)

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def raw(self, key: str) -> object:
        self._asked.add(key)
        return self._table.get(key)

    def _typed(self, key: str, kind: type[T], default: T | None) -> T:
        value = self.raw(key)
        if key not in self._table:
            if default is None:
                raise self.fault(key, "missing", hint=self._misspelt(key))
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.fault(key, f"expected {_NAMES[kind]}, found {_kind(value)}")
        return value

    def _misspelt(self, key: str) -> str | None:
        """A hint where a key that nobody asked for is close to the one that is missing."""
        near = _near(key, [other for other in self._table if other not in self._asked])
        return f"{near[0]!r} is there: did you mean {key!r}?" if near else None

    def text(self, key: str, default: str | None = None) -> str:
        return self._typed(key, str, default)

    def optional_text(self, key: str) -> str | None:
        self._asked.add(key)
        return self.text(key) if key in self._table else None

    def flag(self, key: str, default: bool | None = None) -> bool:
        return self._typed(key, bool, default)

    def integer(self, key: str, default: int | None = None, limit: int = 1 << 53) -> int:
        value = self._typed(key, int, default)
        if not 0 <= value <= limit:
            raise self.fault(key, f"expected a number from 0 to {limit}, found {value}")
        return value

    def digest(self, key: str) -> Digest:
        return self.parsed(key, lambda text, _: parse_digest(text))

    def safe_path(self, key: str) -> SafePath:
        return self.parsed(key, lambda text, _: safe_path(text))

    def parsed(self, key: str, parse: Callable[[str, str], T]) -> T:
        """A string that `parse(text, place)` turns into a value; its ValueError or AirlockError becomes a fault here."""
        text = self.text(key)
        try:
            return parse(text, self._place(key))
        except ValueError as error:
            raise self.fault(key, str(error)) from error
        except AirlockError as error:
            raise self.fault(key, f"{error.what}: found {text!r}", hint=error.hint) from error

    def texts(self, key: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        items = self._typed(key, list, None if default is None else list(default))
        for number, item in enumerate(items):
            if not isinstance(item, str):
                raise self.fault(f"{key}[{number}]", f"expected a string, found {_kind(item)}")
        return tuple(items)

    def table(self, key: str) -> "Fields":
        """A sub-table, empty where the key is absent."""
        return Fields(self._typed(key, dict, {}), self.where, self.error, self._place(key))

    def tables(self, key: str) -> "Iterator[Fields]":
        for number, item in enumerate(self._typed(key, list, [])):
            yield Fields(item, self.where, self.error, self._place(f"{key}[{number}]"))

    def items(self) -> Mapping[str, Any]:
        """The whole table, every key counted as asked for."""
        self._asked.update(self._table)
        return self._table

    def done(self) -> None:
        for key in self._table:
            if key not in self._asked:
                near = _near(key, self._asked)
                raise self.fault(
                    key[:_LONGEST],
                    "unknown key",
                    hint=f"did you mean {near[0]!r}?" if near else _known(self._asked),
                )

    def _place(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


def _near(key: str, others: Iterable[str]) -> list[str]:
    """The one of `others` that may have been meant; what is longer than any key is not worth the look."""
    if len(key) > _LONGEST:
        return []
    return difflib.get_close_matches(
        key, [other for other in others if len(other) <= _LONGEST][:_LONGEST], n=1
    )


def _known(keys: set[str]) -> str:
    return "known here: " + ", ".join(sorted(keys))


def _kind(value: object) -> str:
    return "null" if value is None else _NAMES.get(type(value), f"{type(value).__name__}")
