"""The sizes of a bundle, delta or lock as a picture: one HTML page that needs nothing else."""

from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined

from airlock.cli.inspect import COLUMNS, reason, sizes_of
from airlock.cli.progress import human_size

if TYPE_CHECKING:
    from airlock.airgapped.inspect import Summary

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark; --expanded: #9db7d5; --original: #5b84b1; --compressed: #d9822b; }
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .2rem .6rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, td.why { text-align: left; }
tbody tr { border-top: 1px solid color-mix(in srgb, currentColor 15%, transparent); }
td.bars { width: 40%; min-width: 12rem; }
.bar { height: .35rem; margin: .1rem 0; min-width: 1px; }
{% for name in shown %}.{{ name }} { background: var(--{{ name }}); }
{% endfor %}
.key { display: inline-block; width: 1.2rem; height: .6rem; margin: 0 .4rem 0 1rem; }
tfoot td { border-top: 2px solid; font-weight: 600; }
</style>
<h1>{{ title }}</h1>
<p>{{ about }}</p>
<p>{% for name in shown %}<span class="key {{ name }}"></span>{{ name }}{% endfor %}</p>
<table>
<thead><tr><th>artifact<th>{% for name in columns %}<th>{{ name }}{% endfor %}<th></tr></thead>
<tbody>
{% for row in rows %}
<tr><td>{{ row.label }}<td class="bars">{% for bar in row.bars %}
<div class="bar {{ bar.name }}" style="width:{{ bar.percent }}%" title="{{ bar.name }}: {{ bar.size }}"></div>
{%- endfor %}
{% for cell in row.cells %}<td>{{ cell }}{% endfor %}<td class="why">{{ row.why }}</tr>
{% endfor %}
</tbody>
<tfoot><tr><td>all<td>{% for cell in sums %}<td>{{ cell }}{% endfor %}<td></tr></tfoot>
</table>
</html>
"""
_BARS = ("expanded", "original", "compressed")


def size_page(summary: "Summary") -> str:
    """The page, the same for the same summary; what artifacts are called is escaped."""
    lines = sorted(summary.lines, key=lambda line: (-(line.compressed or 0), line.artifact.key))
    largest = max((size or 0 for line in lines for size in sizes_of(line)), default=0) or 1
    rows = []
    for line in lines:
        sizes = dict(zip(COLUMNS, sizes_of(line), strict=True))
        bars = [
            {"name": name, "percent": f"{100 * size / largest:.3f}", "size": human_size(size)}
            for name in _BARS
            if (size := sizes[name]) is not None
        ]
        rows.append(
            {"label": line.artifact.label, "bars": bars, "cells": _cells(sizes_of(line)), "why": reason(line)}
        )
    project = summary.project
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(_PAGE).render(
        title=f"{summary.what} of {project.name} {project.version}",
        about=f"{human_size(summary.size)} in all; encoder {summary.encoder.name} {summary.encoder.version}, "
        f"level {summary.encoder.level}, {summary.encoder.codecs}",
        shown=_BARS,
        columns=COLUMNS,
        rows=rows,
        sums=_cells(
            tuple(sum(size or 0 for size in column) for column in zip(*map(sizes_of, lines), strict=True))
        ),
    )


def _cells(sizes: "tuple[int | None, ...]") -> list[str]:
    return ["" if size is None else human_size(size) for size in sizes]
