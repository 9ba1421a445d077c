"""What registries of derivations and slips share: one error type, and keys that nothing overwrites."""

import importlib
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, runtime_checkable

import sympy as sp

from coursework.errors import CourseworkError


class DerivationError(CourseworkError):
    """A derivation, a slip or one of their steps is ill-formed or does not hold."""


@runtime_checkable
class Registered(Protocol):
    """An entry that knows the function it was made from."""

    @property
    def origin(self) -> str:
        """Dotted name of the function that defines the entry."""


Entry = TypeVar("Entry", bound=Registered)


def register(registry: dict[str, Entry], key: str, entry: Entry) -> Entry:
    """The entry, now in the registry.

    Raises:
        DerivationError: the key is taken; names both functions.
    """
    if key in registry:
        raise DerivationError(
            f"key {key!r} is taken: by {registry[key].origin}, and now by {entry.origin}. Rename one."
        )
    registry[key] = entry
    return entry


def resolve(key: str, implements: Any) -> Callable[..., Any] | None:
    """The implementing function, imported if it is given by its dotted name.

    Raises:
        DerivationError: it is not callable, or its name cannot be imported.
    """
    found: Any = implements
    if isinstance(implements, str):
        module, _, name = implements.rpartition(".")
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise DerivationError(
                f"derivation {key!r}: implements={implements!r} cannot be imported: {error}"
            ) from None
    if found is not None and not callable(found):
        raise DerivationError(f"derivation {key!r}: implements={implements!r} is not a function.")
    return found


def formula(expression: Any) -> Any:
    """The expression as an immutable sympy object.

    Raises:
        DerivationError: it is neither a scalar nor a matrix, or has a floating-point number in it, of which nothing
            exact can be said.
    """
    try:
        found = sp.sympify(expression, strict=True)
    except sp.SympifyError:
        found = None
    if not isinstance(found, sp.Expr | sp.MatrixBase):
        raise DerivationError(f"{expression!r} is neither a scalar nor a matrix: give a sympy expression.")
    if found.has(sp.Float):
        raise DerivationError(f"{expression} has a floating-point number in it: write it as a Rational.")
    return found


def dotted(function: Callable[..., Any]) -> str:
    """Module and name of a function, as it would be imported."""
    return f"{function.__module__}.{function.__qualname__}"
