"""What a condition of the source comes to on a target, as far as that can be known without running it."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from airlock.core.target import Target

_UNKNOWN = object()
_NAMES: Mapping[str, object] = {
    "TYPE_CHECKING": False,
    "MYPY": False,
    "PY2": False,
    "PY3": True,
    "IS_PY2": False,
    "IS_PY3": True,
    "PYPY": False,
    "IS_PYPY": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Of a target."""

    python: tuple[int, int]
    facts: Mapping[str, str]
    """What `sys.platform` and the like are there, by the source's own words."""

    @classmethod
    def of(cls, target: Target) -> "Conditions":
        environment = target.environment()
        implementation = environment["platform_python_implementation"]
        facts = {
            "sys.platform": environment["sys_platform"],
            "os.name": environment["os_name"],
            "platform.system()": environment["platform_system"],
            "platform.python_implementation()": implementation,
            "sys.implementation.name": environment["implementation_name"],
        }
        return cls(python=target.python_minor, facts=facts)

    def holds(self, test: ast.expr) -> bool | None:
        """None where it depends on what is not known."""
        match test:
            case ast.Constant(value=constant):
                return bool(constant)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self.holds(operand)
                return None if inner is None else not inner
            case ast.BoolOp(op=op, values=values):
                return _combined(isinstance(op, ast.And), [self.holds(value) for value in values])
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return _compared(op, self._value(left), self._value(right))
            case ast.Call(func=ast.Attribute(value=text, attr="startswith"), args=[prefix]):
                return _starts(self._value(text), self._value(prefix))
        value = self._value(test)
        return bool(value) if value is not _UNKNOWN else None

    def _value(self, node: ast.expr) -> object:
        text = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Call | ast.Name) else ""
        if text in self.facts:
            return self.facts[text]
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
                found = tuple(self._value(one) for one in elements)
                return _UNKNOWN if _UNKNOWN in found else found
            case ast.Subscript(value=inner, slice=index):
                return self._version_part(inner, index)
            case ast.Attribute(attr="major" | "minor" as attr, value=inner) if _is_version(inner):
                return self.python[attr == "minor"]
        if _is_version(node):
            return _Version(self.python)
        return _NAMES.get(text.rpartition(".")[2], _UNKNOWN) if text else _UNKNOWN

    def _version_part(self, inner: ast.expr, index: ast.expr) -> object:
        if not _is_version(inner):
            return _UNKNOWN
        match index:
            case ast.Constant(value=int(number)) if number in (0, 1):
                return self.python[number]
            case ast.Slice(lower=None, upper=ast.Constant(value=int(upper))) if upper in (1, 2):
                return self.python[:upper]
            case ast.Slice():
                return _Version(self.python)
        return _UNKNOWN


class _Version(tuple[int, int]):
    """A version of which the patch level is not known."""


def _is_version(node: ast.expr) -> bool:
    match node:
        case ast.Attribute(attr="version_info") | ast.Name(id="version_info" | "sys_version_info"):
            return True
    return False


def _combined(conjunction: bool, parts: list[bool | None]) -> bool | None:
    """Three-valued `and` and `or`."""
    deciding = not conjunction
    if deciding in parts:
        return deciding
    return None if None in parts else conjunction


_OPERATORS: Mapping[type[ast.cmpop], Callable[[object, object], bool]] = {
    ast.Eq: lambda one, two: one == two,
    ast.NotEq: lambda one, two: one != two,
    ast.Lt: lambda one, two: one < two,  # type: ignore[operator]
    ast.LtE: lambda one, two: one <= two,  # type: ignore[operator]
    ast.Gt: lambda one, two: one > two,  # type: ignore[operator]
    ast.GtE: lambda one, two: one >= two,  # type: ignore[operator]
    ast.In: lambda one, two: one in two,  # type: ignore[operator]
    ast.NotIn: lambda one, two: one not in two,  # type: ignore[operator]
}


def _compared(op: ast.cmpop, left: object, right: object) -> bool | None:
    operator = _OPERATORS.get(type(op))
    if _UNKNOWN in (left, right) or operator is None:
        return None
    if isinstance(left, _Version) and isinstance(right, tuple):
        return _against(operator, tuple(left), right)
    try:
        return bool(operator(left, right))
    except TypeError:
        return None


def _against(
    operator: Callable[[object, object], bool], python: tuple[int, ...], other: tuple[object, ...]
) -> bool | None:
    """A whole version, as `sys.version_info` is, whose patch level may be any."""
    try:
        answers = {operator((*python, patch, "final", 0), other) for patch in (0, 99)}
    except TypeError:
        return None
    return answers.pop() if len(answers) == 1 else None


def _starts(text: object, prefix: object) -> bool | None:
    if isinstance(text, str) and isinstance(prefix, str | tuple) and _UNKNOWN not in (text, prefix):
        return text.startswith(prefix)
    return None
