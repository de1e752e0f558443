"""From a call to its key: which arguments count, and the digest of those that do.

Arguments are bound by a function that is made for the purpose: it has the same parameters and
returns what they are bound to. So positional, keyword and default forms are one call, at the
speed of a call and with the error messages of one.
"""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any

from expcore import UndigestableError, digest
from persist_to_disk._names import folder_name, joined_name
from persist_to_disk._wrapped import BY_POSITION, claimed_parameters, signature_of
from persist_to_disk.errors import ConfigError, UnkeyableArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

EXPANDED = "|"


class Binder:
    """The parameters of a function, and which of them count.

    Args:
        function: The function that is called.
        name: Its name in error messages.
        skip: Parameters that do not count.
        expand: Parameters whose dictionaries may be named in ``groupby`` by ``name|key``; or
            ``"all"``.
        groupby: Parameters whose values become folders.

    Raises:
        ConfigError: A name is no parameter, or is in two of the lists.
    """

    def __init__(
        self,
        function: Callable[..., object],
        name: str,
        *,
        skip: Sequence[str] = (),
        expand: Sequence[str] | str = (),
        groupby: Sequence[str | tuple[str, ...]] = (),
    ) -> None:
        signature = signature_of(function)
        parameters = signature.parameters.values()
        self.function_name = name
        self.names = tuple(signature.parameters)
        self.bind = _same_parameters(signature, name)
        self.rest_name = _name_of(signature, Parameter.VAR_POSITIONAL)
        self.open_name = _name_of(signature, Parameter.VAR_KEYWORD)
        self.claimed = claimed_parameters(function)
        self.skip = frozenset(skip)
        self.defaults = [
            p.default for p in parameters if p.default is not p.empty and p.name not in self.skip
        ]
        self.groupby = [(group,) if isinstance(group, str) else tuple(group) for group in groupby]
        self._check_names(skip, expand)

    def counting(self, bound: tuple[object, ...]) -> dict[str, Any]:
        """Return the arguments that count, by name; those of ``**kwargs`` among them.

        Args:
            bound: What :attr:`bind` returned.
        """
        named: dict[str, Any] = dict(zip(self.names, bound, strict=True))
        if self.claimed and self.rest_name:
            self._name_rest(named)
        if self.open_name:
            extra: Mapping[str, object] = named.pop(self.open_name)
            # No call can give a name twice, except one that is positional-only and in **kwargs.
            named |= {f"**{key}" if key in named else key: extra[key] for key in extra}
        for name in self.skip:
            named.pop(name, None)
        return named

    def _name_rest(self, named: dict[str, Any]) -> None:
        """Name what is passed by position as far as it is known how that is called."""
        rest: tuple[object, ...] = named[self.rest_name]
        names = [p.name for p in self.claimed if p.kind in BY_POSITION][: len(rest)]
        if not {*names} & {*named, *named.get(self.open_name, ())}:
            named |= zip(names, rest, strict=False)
            named[self.rest_name] = rest[len(names) :]
            # Whoever takes the arguments may tell those passed by position from the others.
            named["*"] = len([name for name in names if name not in self.skip])

    def key(self, code: str, named: Mapping[str, object]) -> bytes:
        """Return the 16 bytes that stand for a call.

        Args:
            code: Stands for the function.
            named: From :meth:`counting`.

        Raises:
            UnkeyableArgumentError: An argument has no digest.
        """
        try:
            found = digest((code, named))
        except UndigestableError:
            for name, value in named.items():
                try:
                    digest(value)
                except UndigestableError as error:
                    raise UnkeyableArgumentError(self.function_name, name, str(error)) from error
            raise
        return bytes.fromhex(found.partition(":")[2])

    def group_folders(self, named: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the folders for the values of ``groupby``."""
        folders: list[str] = []
        for group in self.groupby:
            values = [self._look_up(named, name) for name in group]
            folders.append(folder_name(values[0]) if len(group) == 1 else joined_name(values))
        return tuple(folders)

    def _look_up(self, named: Mapping[str, Any], name: str) -> Any:
        value: Any = named
        if self.claimed:
            defaults = {p.name: p.default for p in self.claimed if p.default is not p.empty}
            value = {**defaults, **named}
        path = [name] if name in value else name.split(EXPANDED)
        for part in path:
            try:
                value = value[part]
            except (KeyError, TypeError):
                raise ConfigError(
                    f"groupby of {self.function_name}", name, "an argument of every call"
                ) from None
        return value

    def _check_names(self, skip: Sequence[str], expand: Sequence[str] | str) -> None:
        if isinstance(expand, str) and expand != "all":
            where = f"expand_dict_kwargs of {self.function_name}"
            raise ConfigError(where, expand, "a list of parameters, or 'all'")
        if isinstance(skip, str):
            raise ConfigError(f"skip_kwargs of {self.function_name}", skip, "a list of parameters")
        expanded = () if isinstance(expand, str) else tuple(expand)
        grouped = tuple(name for group in self.groupby for name in group)
        for where, names in (
            ("groupby", grouped),
            ("expand_dict_kwargs", expanded),
            ("skip_kwargs", tuple(skip)),
        ):
            for name in names:
                if not self.open_name and name.split(EXPANDED)[0] not in self.names:
                    expected = f"one of its parameters ({', '.join(self.names) or 'it has none'})"
                    raise ConfigError(f"{where} of {self.function_name}", name, expected)
        for name in self.skip & set(grouped):
            raise ConfigError(
                f"groupby of {self.function_name}", name, "a parameter that is not skipped"
            )


def _name_of(signature: Signature, kind: object) -> str:
    """Return the name of the one parameter of a kind, or an empty text."""
    return next((p.name for p in signature.parameters.values() if p.kind is kind), "")


def _same_parameters(signature: Signature, name: str) -> Callable[..., tuple[object, ...]]:
    """Return a function with these parameters that returns the tuple of their values."""
    parts: list[str] = []
    kinds = [p.kind for p in signature.parameters.values()]
    defaults: list[object] = []
    keyword_defaults: dict[str, object] = {}
    for position, parameter in enumerate(signature.parameters.values()):
        kind, text = parameter.kind, parameter.name
        before = kinds[:position]
        if kind is Parameter.KEYWORD_ONLY and not {kind, Parameter.VAR_POSITIONAL} & {*before}:
            parts.append("*")
        if kind is Parameter.VAR_POSITIONAL:
            text = f"*{text}"
        elif kind is Parameter.VAR_KEYWORD:
            text = f"**{text}"
        elif parameter.default is not Parameter.empty:
            text += "=None"
            if kind is Parameter.KEYWORD_ONLY:
                keyword_defaults[parameter.name] = parameter.default
            else:
                defaults.append(parameter.default)
        parts.append(text)
        last = position + 1 == len(kinds) or kinds[position + 1] is not kind
        if kind is Parameter.POSITIONAL_ONLY and last:
            parts.append("/")
    returned = "".join(f"{parameter}," for parameter in signature.parameters)
    namespace: dict[str, Any] = {}
    source = f"def bind({', '.join(parts)}): return ({returned})"
    exec(source, namespace)  # noqa: S102 -- made of identifiers of a function that exists
    bind = namespace["bind"]
    bind.__defaults__, bind.__kwdefaults__ = tuple(defaults), keyword_defaults
    bind.__qualname__ = name  # what the interpreter's TypeErrors say
    return bind  # type: ignore[no-any-return]
