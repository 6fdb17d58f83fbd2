"""The templates of HTML pages: texts are escaped, and a value that a template asks for and does not get is an error."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(template: str, **values: Any) -> str:
    """The page that a template makes of values: texts, numbers, and lists and mappings of them."""
    return environment().get_template(template).render(values)


@cache
def environment() -> Environment:
    """Where templates are, and what they may call besides jinja2's own filters.

    Filters:
        chosen: the names of a mapping that are true, as the value of a `class` attribute.
        counted: a number with its noun, "1 photo" or "2,000 photos".
        minus: a number's text with a minus as wide as a plus.

    Functions:
        asset: the content of a style sheet or script of ours; only this is `safe` as it is.
    """
    made = Environment(
        loader=PackageLoader("t2ipal.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":"), "allow_nan": False}
    made.filters |= {"chosen": _chosen, "counted": counted, "minus": minus}
    made.globals["asset"] = lambda name: made.loader.get_source(made, name)[0].rstrip()
    return made


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun, in the plural where it is not one."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def minus(text: str) -> str:
    """The text of a number with a minus as wide as a plus."""
    return text.replace("-", "\N{MINUS SIGN}")


def _chosen(names: Mapping[str, bool]) -> str:
    return " ".join(name for name, is_chosen in names.items() if is_chosen)
