"""How the rulebook is compiled: numba with a cache keyed by the rulebook's own sources.

Numba's cache looks only at the file that defines a function, not at the files of the functions it calls, and would run
stale code after an upgrade. So the cache lives in a folder named after a digest of all compiled sources. Numba also
keeps a folder for each path that sources lie at, and would compile anew for every checkout, environment and Ray job:
`ByContent` names folders within the package instead.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core.caching import UserProvidedCacheLocator
from platformdirs import user_cache_dir

Function = TypeVar("Function", bound=Callable[..., Any])
COMMON: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
LOTS = int(numba.config.NUMBA_NUM_THREADS)  # that a parallel loop runs over: it counts the references of all tables
# once for each of its rounds, which takes longer than a world's tick; a lot is a row of worlds in one round
COMPILED_FOLDERS = ("twin/rulebook", "twin/sensing")
COMPILED_FILES = ("twin/vocabulary.py", "twin/compiled.py", "envs/active.py", "envs/target_graph.py")


@cache
def cache_folder() -> Path:
    """Folder of the compiled kernels of exactly these sources; `TOCSIN_CACHE` overrides the parent folder."""
    root = Path(__file__).resolve().parent.parent.parent
    digest = hashlib.sha256(numba.__version__.encode())
    folders = [sorted((root / folder).glob("*.py")) for folder in COMPILED_FOLDERS]
    for source in [*(one for folder in folders for one in folder), *(root / file for file in COMPILED_FILES)]:
        digest.update(source.read_bytes())
    parent = os.environ.get("TOCSIN_CACHE") or user_cache_dir("tocsin")
    return Path(parent) / "kernels" / digest.hexdigest()[:16]


class ByContent(UserProvidedCacheLocator):  # type: ignore[misc]
    """Where numba keeps a function: by its place in the package, wherever the package lies."""

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        super().__init__(function, file)
        self._cache_path = str(cache_folder() / function.__module__.rpartition(".")[0])


def inner(function: Function) -> Function:
    """Compile a rule that only other compiled code calls: no wrapper for Python, which costs seconds each.

    It may not make arrays: counting their references (`_nrt`) took ten times what the rules themselves take. Calling it
    from Python crashes the interpreter; call `.py_func` instead.
    """
    jitted: Function = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False, **COMMON)(function)
    return jitted


def inlined(function: Function) -> Function:
    """As `inner`, and always put into its caller: for rules of every tick, where passing what they read costs more."""
    jitted: Function = numba.njit(
        no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False, forceinline=True, **COMMON
    )(function)
    return jitted


def compiled(function: Function) -> Function:
    """Compile a rule that Python calls too; kept in the cache. It may not make arrays either."""
    return _cached(function, parallel=False, counts=False)


def compiled_allocating(function: Function) -> Function:
    """As `compiled`, for a function that makes arrays."""
    return _cached(function, parallel=False, counts=True)


def compiled_parallel(function: Function) -> Function:
    """Compile a loop over worlds that may run in threads; results must not depend on their order.

    Its counter has one type where numba looks at the loop and another where it runs it, so what it hands on is given
    as `numba.int64(counter)`: else all that is called is compiled twice.
    """
    return _cached(function, parallel=True, counts=True)


def entry(function: Callable[..., Any], *like: Any) -> Callable[..., Any]:
    """The compiled code of `function` for arguments of the types of `like`, to be called over and over.

    At each call numba looks at the type of every array of every tuple before it comes to what it compiled; for the
    tables of a game that takes 40 to 70 us. Nothing is checked on this way: arguments must have the dtypes, dimensions
    and contiguity of `like`, or memory is read that is not theirs. Bind it where the tables are kept.

    Args:
        function: made by `compiled`, `compiled_allocating` or `compiled_parallel`.
        like: arguments as they will be given.
    """
    if numba.config.DISABLE_JIT:
        return function
    dispatcher: Any = function
    code: Callable[..., Any] = dispatcher.compile(tuple(numba.typeof(one) for one in like))
    return code


def _cached(function: Function, *, parallel: bool, counts: bool) -> Function:
    before = numba.config.CACHE_DIR, numba.config.CACHE_LOCATOR_CLASSES
    numba.config.CACHE_DIR = str(cache_folder())
    numba.config.CACHE_LOCATOR_CLASSES = f"{__name__}.{ByContent.__name__}"
    try:
        jitted: Function = numba.njit(
            cache=True, parallel=parallel, no_cfunc_wrapper=True, _nrt=counts, forceinline=not parallel, **COMMON
        )(function)
        return jitted
    finally:
        numba.config.CACHE_DIR, numba.config.CACHE_LOCATOR_CLASSES = before
