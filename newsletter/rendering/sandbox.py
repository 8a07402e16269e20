"""Jinja for templates that may have been copied from anywhere: they see little, and their work has an end.

Jinja's own sandbox keeps templates away from Python's insides, but lets them loop and multiply as long as they like.
Here each turn of a loop and each call of a macro is counted, what makes much out of little is refused or not there, and
so is what would give another result at each build, or put text into the mail that nobody escaped.
"""

import difflib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from types import CodeType
from typing import Any, Final

from jinja2 import BytecodeCache, StrictUndefined, nodes, pass_context
from jinja2.bccache import Bucket
from jinja2.environment import TemplateModule
from jinja2.exceptions import TemplateRuntimeError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

MOST_STEPS: Final = 100_000
"""Turns of loops and calls of macros while one template is rendered; the largest editions need some hundred."""
LONGEST: Final = 100_000
"""Characters or items that one multiplication may make."""

NOWHERE: Final = "Nothing here is called "
"""How the message of `UndefinedError` begins where a name is none of the template's own; the name follows in « »."""

_LARGEST_NUMBER: Final = 10**18
_LARGEST_POWER: Final = 64
_MOST_COMPILED: Final = 500
_STEP: Final = "_step"
_FILTERS: Final = frozenset(
    {
        *("attr", "center", "format", "indent", "pprint", "random", "safe", "urlize", "wordwrap", "xmlattr"),
        *("filesizeformat", "tojson"),
    }
)
_METHODS: Final = frozenset({"center", "expandtabs", "format", "format_map", "ljust", "rjust", "translate", "zfill"})


class Unknown(StrictUndefined):
    """A name that is not there; says so in words, with the nearest one that is."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        if self._undefined_obj is missing:
            return f"{NOWHERE}«{self._undefined_name}»"
        near = nearest_name(str(self._undefined_name), _names(self._undefined_obj))
        return f"There is no «{self._undefined_name}» in this{f'; did you mean {near}?' if near else ''}"


def nearest_name(wanted: str, names: Iterable[str]) -> str | None:
    """The name most like the one that was written, if any is."""
    return next(iter(difflib.get_close_matches(wanted, list(names), n=1)), None)


def _names(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [str(name) for name in value]
    return [name for name in vars(value) if not name.startswith("_")] if isinstance(value, TemplateModule) else []


class _Compiled(BytecodeCache):
    """Templates already compiled, whichever theme they belong to: most themes replace only a few."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], CodeType] = OrderedDict()

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._kept.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._kept[bucket.key, bucket.checksum] = bucket.code
        while len(self._kept) > _MOST_COMPILED:
            self._kept.popitem(last=False)


_COMPILED: Final = {True: _Compiled(), False: _Compiled()}  # compiled code differs with autoescape


class Sandbox(ImmutableSandboxedEnvironment):
    """A Jinja environment whose templates come to an end, and say what they miss."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, *, autoescape: bool, **options: Any) -> None:
        super().__init__(
            undefined=Unknown,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            autoescape=autoescape,
            bytecode_cache=_COMPILED[autoescape],
            **options,
        )
        del self.globals["lipsum"]
        self.filters = {name: kept for name, kept in self.filters.items() if name not in _FILTERS}
        self.filters[_STEP] = self._step
        self._steps = 0

    def begin(self) -> None:
        """Count anew: another template is about to be rendered."""
        self._steps = 0

    @pass_context  # so that Jinja does not take the count of the first time for all times
    def _step(self, _context: Context, nothing: str) -> str:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise TemplateRuntimeError(f"The template goes on for more than {MOST_STEPS:,} steps")
        return nothing

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """Jinja's tree of a template, with a count at the beginning of each loop and macro."""
        tree = super()._parse(source, name, filename)
        bodies: list[nodes.For | nodes.Macro | nodes.CallBlock] = [
            *tree.find_all(nodes.For),
            *tree.find_all(nodes.Macro),
            *tree.find_all(nodes.CallBlock),
        ]
        for node in bodies:
            count = nodes.ExprStmt(nodes.Filter(nodes.Const(""), _STEP, [], [], None, None))
            node.body.insert(0, count.set_lineno(node.lineno, override=True))
        tree.set_environment(self)
        return tree

    def wrap_str_format(self, value: Any) -> None:
        """Jinja's hook for `text.format`, which it would allow; without it, `is_safe_attribute` decides."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Jinja's hook for `value.attribute`: no method that fills the memory."""
        return not (isinstance(obj, str) and attr in _METHODS) and super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Jinja's hook for `*`, `**` and `%`: none of them may fill the memory.

        Raises:
            TemplateRuntimeError: It would.
        """
        if isinstance(left, int | float) and isinstance(right, int | float):
            most = _LARGEST_POWER if operator == "**" else _LARGEST_NUMBER
            if operator != "%" and (abs(left) > _LARGEST_NUMBER or abs(right) > most):
                raise TemplateRuntimeError("This number would be too large")
        elif operator == "%":
            raise TemplateRuntimeError("Texts are put together with ~ here, not with %")
        else:
            count, thing = (left, right) if isinstance(left, int) else (right, left)
            if isinstance(count, int) and hasattr(thing, "__len__") and len(thing) * count > LONGEST:
                raise TemplateRuntimeError(f"This would make more than {LONGEST:,} characters")
        return super().call_binop(context, operator, left, right)
