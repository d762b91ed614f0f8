"""What a source imports, starts and loads, and how surely: parsed, never run.

Told apart are what happens whenever the module is loaded, what a condition decides that nobody can know here, what waits in a
function, and what the source itself expects to fail. Branches that are dead on the target, or are there for type checkers, are
left out.
"""

import ast
import re
import shlex
import warnings
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from airlock.kinds.wheel.audit.conditions import Conditions

MAX_SOURCE = 8 << 20
"""Bytes of a source that is looked into."""


class Guard(IntEnum):
    """How surely a statement runs when its module is loaded; of several around it the highest counts."""

    EAGER = 0
    CONDITIONAL = 1
    LAZY = 2
    GUARDED = 3
    """Its failure is expected."""


class Import(NamedTuple):
    module: str
    """As written, without the dots before it."""
    level: int
    names: tuple[str, ...]
    line: int
    guard: Guard
    dynamic: bool = False
    """By a call with the name as text."""


class Use(NamedTuple):
    """A program started or a library loaded, by a name that stands in the source."""

    what: str
    """`program` or `library`."""
    name: str
    line: int
    guard: Guard


class Facts(NamedTuple):
    imports: tuple[Import, ...]
    uses: tuple[Use, ...]


Answers = Callable[[Import], bool]
"""Whether something that is there answers an import."""


_CALLS: tuple[bytes, ...] = (b"ctypes", b"dlopen", b"subprocess", b"os.system", b"os.popen", b"os.exec")
_CALLS += (b"os.posix_spawn", b"which(", b"pexpect")
_TELLING = re.compile(
    rb"import|CDLL|LoadLibrary|find_library|dlopen|\bsp\.|subprocess|Popen|check_|getoutput|getstatusoutput"
    rb"|os\.|which\(|pexpect|create_subprocess"
)
"""What stands on every line where something is imported, started or loaded."""


def may_use(source: bytes) -> bool:
    """Whether there can be a `Use` in a source at all."""
    return any(word in source for word in _CALLS)


def _telling_lines(source: bytes, calls: bool) -> list[int]:
    """Numbers of lines, ascending."""
    lines, line, position = list[int](), 1, 0
    found = _TELLING.finditer(source) if calls else re.finditer(b"import", source)
    for match in found:
        line += source.count(b"\n", position, match.start())
        position = match.start()
        if not lines or lines[-1] != line:
            lines.append(line)
    return lines


def facts_of(source: bytes, conditions: Conditions, answers: Answers) -> Facts | None:
    """None for what this Python does not read."""
    if (tree := _parsed(source)) is None:
        return None
    calls = may_use(source) or b"import_module" in source or b"__import__" in source
    reader = _Reader(
        conditions=conditions,
        answers=answers,
        calls=calls,
        telling=_telling_lines(source.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), calls),
        imports=[],
        uses=[],
    )
    try:
        reader.block(tree.body, Guard.EAGER)
    except RecursionError:
        return None
    return Facts(tuple(reader.imports), tuple(reader.uses))


def _parsed(source: bytes) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    conditions: Conditions
    answers: Answers
    calls: bool
    """Whether there are any that matter."""
    telling: list[int]
    """Lines without which a statement is not worth a look."""
    imports: list[Import]
    uses: list[Use]

    def block(self, statements: Iterable[ast.stmt], guard: Guard) -> None:
        for statement in statements:
            following = bisect_left(self.telling, _first_line(statement))
            last = statement.end_lineno or statement.lineno
            if following < len(self.telling) and self.telling[following] <= last:
                self._statement(statement, guard)

    def _statement(self, statement: ast.stmt, guard: Guard) -> None:
        match statement:
            case ast.Import() | ast.ImportFrom():
                self.imports.extend(_imports(statement, guard))
            case ast.If():
                self._if(statement, guard)
            case ast.Try() | ast.TryStar():
                self._try(statement, guard)
            case ast.With() | ast.AsyncWith():
                self._calls([item.context_expr for item in statement.items], guard)
                suppressed = any(_suppresses(item.context_expr) for item in statement.items)
                self.block(statement.body, Guard.GUARDED if suppressed else guard)
            case _:
                self._other(statement, guard)

    def _other(self, statement: ast.stmt, guard: Guard) -> None:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._calls(statement.decorator_list, guard)
                self.block(statement.body, max(guard, Guard.LAZY))
            case ast.ClassDef():
                self.block(statement.body, guard)
            case ast.For() | ast.AsyncFor() | ast.While():
                self.block([*statement.body, *statement.orelse], guard)
            case ast.Match():
                for one in statement.cases:
                    self.block(one.body, max(guard, Guard.CONDITIONAL))
            case _:
                self._calls([statement], guard)

    def _if(self, statement: ast.If, guard: Guard) -> None:
        holds = self.conditions.holds(statement.test)
        self._calls([statement.test], guard)
        inner = guard if holds is not None else max(guard, _guard_of(statement.test))
        if holds is not False:
            self.block(statement.body, inner)
        if holds is not True:
            otherwise = inner if holds is not None else max(guard, Guard.CONDITIONAL)
            self.block(statement.orelse, otherwise)

    def _try(self, statement: ast.Try | ast.TryStar, guard: Guard) -> None:
        expected = any(_expects_failure(handler.type) for handler in statement.handlers)
        first = len(self.imports)
        self.block(statement.body, Guard.GUARDED if expected else guard)
        fails = not all(self.answers(one) for one in self.imports[first:])
        for handler in statement.handlers:
            if not _expects_failure(handler.type):
                self.block(handler.body, max(guard, Guard.CONDITIONAL))
            elif fails:
                self.block(handler.body, guard)
            else:
                self.block(handler.body, Guard.GUARDED)
        self.block(statement.orelse, Guard.GUARDED if expected and fails else guard)
        self.block(statement.finalbody, guard)

    def _calls(self, nodes: Sequence[ast.AST], guard: Guard) -> None:
        for node in nodes if self.calls else ():
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and call.args:
                    self._call(call, guard)

    def _call(self, call: ast.Call, guard: Guard) -> None:
        owner, name = _callee(call.func)
        text = _text(call.args[0])
        if name in ("import_module", "__import__") and text and text.replace(".", "").isidentifier():
            self.imports.append(Import(text, 0, (), call.lineno, guard, dynamic=True))
        elif name in _LOADERS and text:
            self.uses.append(Use("library", text, call.lineno, guard))
        elif _starts(owner, name) and (program := _program(call.args[0])):
            self.uses.append(Use("program", program, call.lineno, guard))


def _first_line(statement: ast.stmt) -> int:
    """Of its decorators, if it has any."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(one.lineno for one in decorators)])


def _imports(statement: ast.Import | ast.ImportFrom, guard: Guard) -> Iterator[Import]:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            yield Import(alias.name, 0, (), statement.lineno, guard)
    else:
        names = tuple(alias.name for alias in statement.names if alias.name != "*")
        yield Import(statement.module or "", statement.level, names, statement.lineno, guard)


_FAILURES = ("ImportError", "ModuleNotFoundError", "Exception", "BaseException")


def _expects_failure(expected: ast.expr | None) -> bool:
    """Whether a handler takes what a failed import raises."""
    match expected:
        case None:
            return True
        case ast.Tuple(elts=elements):
            return any(_expects_failure(one) for one in elements)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in _FAILURES
    return False


def _suppresses(context: ast.expr) -> bool:
    match context:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args):
            return name in ("suppress", "importorskip", "raises") and any(map(_expects_failure, args))
    return False


_ASKS_FIRST = ("find_spec", "find_loader", "find_module", "is_available", "available", "installed", "has_")


def _guard_of(test: ast.expr) -> Guard:
    """Whether a condition asks first if something is there."""
    words = [node.id for node in ast.walk(test) if isinstance(node, ast.Name)]
    words += [node.attr for node in ast.walk(test) if isinstance(node, ast.Attribute)]
    asked = any(ask in word.lower() for word in words for ask in _ASKS_FIRST)
    modules = any(word == "modules" for word in words)
    main = "__name__" in words
    if asked or modules:
        return Guard.GUARDED
    return Guard.LAZY if main else Guard.CONDITIONAL


_LOADERS = frozenset({"CDLL", "PyDLL", "LoadLibrary", "find_library", "dlopen"})
_STARTERS = frozenset(
    {
        *(("subprocess", name) for name in ("run", "call")),
        *(("sp", name) for name in ("run", "call")),
        *(("os", name) for name in ("system", "popen", "startfile")),
        *(("os", name) for name in ("execv", "execve", "execvp", "execvpe", "execl", "execlp", "execle")),
        *(("os", name) for name in ("posix_spawn", "posix_spawnp")),
        *(("shutil", "which"), ("pexpect", "spawn")),
    }
)
_STARTERS_ANYWHERE = frozenset(
    {
        *("Popen", "check_call", "check_output", "getoutput", "getstatusoutput", "which"),
        *("create_subprocess_exec", "create_subprocess_shell"),
    }
)


def _starts(owner: str, name: str) -> bool:
    return (owner, name) in _STARTERS or name in _STARTERS_ANYWHERE


def _callee(function: ast.expr) -> tuple[str, str]:
    match function:
        case ast.Name(id=name):
            return "", name
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            return owner, name
        case ast.Attribute(attr=name):
            return "", name
    return "", ""


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _program(node: ast.expr) -> str:
    """The first word of a command, where it stands there."""
    if isinstance(node, ast.List | ast.Tuple):
        return _text(node.elts[0]) if node.elts else ""
    try:
        words = shlex.split(_text(node))
    except ValueError:
        return ""
    return words[0] if words else ""
