"""The version of a project whose backend would ask version control for it: no build sees a repository, so it is told."""

from collections.abc import Iterable

_PRETENDED = "SETUPTOOLS_SCM_PRETEND_VERSION"
_VARIABLES = {
    "flit-scm": _PRETENDED,
    "hatch-vcs": _PRETENDED,
    "pbr": "PBR_VERSION",
    "pdm-backend": "PDM_BUILD_SCM_VERSION",
    "poetry-dynamic-versioning": "POETRY_DYNAMIC_VERSIONING_BYPASS",
    "scikit-build-core": _PRETENDED,
    "setuptools-scm": _PRETENDED,
    "uv-dynamic-versioning": "UV_DYNAMIC_VERSIONING_BYPASS",
    "vcs-versioning": _PRETENDED,
}
"""Where each of them, by the name of its project, looks before it asks."""


def variables_of(tools: Iterable[str]) -> tuple[str, ...]:
    """The variables that the tools of a build look at, sorted."""
    return tuple(sorted({_VARIABLES[name] for name in tools if name in _VARIABLES}))
