"""Plain mappings (from YAML) to dataclasses, with errors that say where, what was got and what was meant."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from typing import Any, TypeVar

from rlkit.errors import UsageError, nearest

T = TypeVar("T")


class PlantError(UsageError):
    """A description of a plant that cannot be used."""


def from_mapping(cls: type[T], mapping: Any, where: str) -> T:
    """Build a (nested) dataclass, checking keys and types.

    Args:
        cls: A dataclass whose fields are numbers, text, tuples, dataclasses, or one of these or None.
        mapping: Dictionaries, lists, numbers and text.
        where: What to call the place in errors.

    Raises:
        PlantError: For an unknown or missing key, or a value of the wrong type.
    """
    if not isinstance(mapping, dict):
        raise PlantError(f"{where}: expected keys and values, got {type(mapping).__name__}")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in mapping:
        if key not in fields:
            raise PlantError(f"{where}: there is no key {key!r}: {nearest(str(key), fields)}")
    missing = [
        name
        for name, f in fields.items()
        if name not in mapping and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise PlantError(f"{where}: missing {', '.join(missing)}")
    values = {key: _converted(hints[key], value, f"{where}: {key}") for key, value in mapping.items()}
    try:
        return cls(**values)
    except PlantError as error:
        raise PlantError(f"{where}: {error}") from None


def _converted(hint: Any, value: Any, where: str) -> Any:
    """A value as a field's type wants it."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (a for a in typing.get_args(hint) if a is not type(None))
        return None if value is None else _converted(inner, value, where)
    if origin is tuple:
        return _converted_tuple(typing.get_args(hint), value, where)
    if dataclasses.is_dataclass(hint):
        return from_mapping(typing.cast(type, hint), value, where)
    if hint is str:
        return str(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise PlantError(f"{where}: expected a number, got {value!r}")
    if hint is int:
        if int(value) != value or value < 1:
            raise PlantError(f"{where}: expected a whole number >= 1, got {value!r}")
        return int(value)
    return float(value)


def _converted_tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise PlantError(f"{where}: expected a list, got {value!r}")
    if arguments[-1] is Ellipsis:
        return tuple(_converted(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if len(value) != len(arguments):
        raise PlantError(f"{where}: expected {len(arguments)} numbers, got {len(value)}")
    converted = tuple(_converted(a, v, where) for a, v in zip(arguments, value, strict=True))
    if converted[0] > converted[1] and "recirculation" not in where and "exponents" not in where:
        raise PlantError(f"{where}: the first number must not be above the second, got {list(converted)}")
    return converted
