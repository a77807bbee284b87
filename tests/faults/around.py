"""Puts observers around a function of a class or module: the test builds have their points where they are."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def around(
    owner: Any,  # noqa: ANN401 (a class or a module)
    name: str,
    before: Callable[..., object] = lambda *_: None,
    after: Callable[..., object] = lambda *_: None,
) -> None:
    """Call `before` with the arguments of a function, and `after` with its result and its arguments."""
    inner = getattr(owner, name)

    @functools.wraps(inner)
    def outer(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (the arguments of the wrapped function)
        before(*args)
        answer = inner(*args, **kwargs)
        after(answer, *args)
        return answer

    setattr(owner, name, outer)
