"""Pages of HTML that need nothing else: no script, no font, no request. What is put into them is escaped, and what would turn
the direction of a line is spelt out."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from airlock.core.plain import human_size, plain

if TYPE_CHECKING:
    from jinja2 import Environment


def _read(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_read), autoescape=True, undefined=StrictUndefined, finalize=_shown
    )
    filters: Mapping[str, Callable[[int], str]] = {"size": human_size, "difference": difference}
    environment.filters.update(filters)
    return environment


def page(template: str, **words: object) -> str:
    """The page of a template in this folder, the same for the same words."""
    return _environment().get_template(template).render(css=_css(), **words) + "\n"


def _shown(value: object) -> object:
    """Words as people see them; those that are markup already are ours."""
    return plain(value) if type(value) is str else value


@cache
def _css() -> object:
    from markupsafe import Markup

    return Markup(_read("page.css"))  # ours, and nothing of it is escaped in a style element


def difference(size: int) -> str:
    """With its sign, which is a minus and no hyphen."""
    return f"+{human_size(size)}" if size > 0 else f"\N{MINUS SIGN}{human_size(-size)}" if size else "0 B"


def date(seconds: int) -> str:
    """In UTC, to the minute."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d %H:%M")
