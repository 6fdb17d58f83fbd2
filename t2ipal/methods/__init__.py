"""Every system of the paper's tables, one file each, behind `t2ipal.methods.base.Method`.

A method is asked for by its name, which is the name of its file here, or by the dotted path of its class elsewhere
("package.module.Class").
"""

from __future__ import annotations

import importlib
import pkgutil

from t2ipal.errors import UserError
from t2ipal.methods.base import Method


def get(name: str) -> type[Method]:
    """The class of the method `name`.

    Raises:
        UserError: no such file here, no such class elsewhere, or a class that is no method.
    """
    if "." in name:
        return _outside(name)
    own = _own(name)
    if own is None:
        raise UserError(f"method {name!r}: unknown; expected one of {', '.join(names())}, or package.module.Class")
    return own


def names() -> tuple[str, ...]:
    """The names of the methods of this package, sorted."""
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(name for name in modules if _own(name) is not None)


def _own(name: str) -> type[Method] | None:
    path = f"{__name__}.{name}"
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name == path:
            return None
        raise
    classes = [value for value in vars(module).values() if _is_method(value) and value.__module__ == path]
    return next((value for value in classes if getattr(value, "name", None) == name), None)


def _outside(path: str) -> type[Method]:
    module, _, attribute = path.rpartition(".")
    try:
        value = getattr(importlib.import_module(module), attribute, None)
    except ImportError as error:
        raise UserError(f"method {path!r}: cannot import {module}: {error}") from error
    if not _is_method(value):
        raise UserError(
            f"method {path!r}: expected {attribute} in {module} to be a subclass of {Method.__module__}.Method"
        )
    return value


def _is_method(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Method) and value is not Method
