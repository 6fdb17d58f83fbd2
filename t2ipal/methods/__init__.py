"""Every system of the paper's tables, one file each, behind `t2ipal.methods.base.Method`.

A method is asked for by its name, which is the name of its file here, or by the dotted path of its class elsewhere
("package.module.Class").
"""

from __future__ import annotations

import importlib
import pkgutil

from t2ipal.errors import UserError
from t2ipal.methods.base import Method, MethodSettings
from t2ipal.names import problem_of
from t2ipal.rows import KINDS


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
    if not all(part.isidentifier() for part in path.split(".")):
        raise UserError(f"method {path!r}: not the path of a class (expected package.module.Class)")
    module, _, attribute = path.rpartition(".")
    try:
        value = getattr(importlib.import_module(module), attribute, None)
    except ImportError as error:
        raise UserError(f"method {path!r}: cannot import {module}: {error}") from error
    except (Exception, SystemExit) as error:  # whatever somebody's code does
        raise UserError(f"method {path!r}: {module} fails: {type(error).__name__}: {error}") from error
    if not _is_method(value):
        raise UserError(
            f"method {path!r}: expected {attribute} in {module} to be a subclass of {Method.__module__}.Method"
        )
    if problem := _problem_of(value):
        raise UserError(f"method {path!r}: {problem}")
    return value


def _problem_of(method: type[Method]) -> str:
    """What a class has not that every method has; "" where nothing is missing."""
    for key in ("name", "title", "source"):
        if not isinstance(getattr(method, key, None), str):
            return f"no {key} (expected text)"
    if problem := problem_of(method.title):
        return f"its title {method.title!r} {problem}"
    if not (isinstance(method.Settings, type) and issubclass(method.Settings, MethodSettings)):
        return f"Settings is {method.Settings!r} (expected a subclass of {MethodSettings.__module__}.MethodSettings)"
    if wrong := sorted(set(method.uses) - KINDS.keys()):
        return f"uses {wrong[0]!r} (expected kinds of rows: {', '.join(KINDS)})"
    return ""


def _is_method(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Method) and value is not Method
