"""How functions of the engine are compiled: the one door to Numba.

``@inner``  called from other compiled functions only (no Python wrapper: cheaper to compile)
``@entry``  called from Python; releases the GIL; cached on disk
A policy's functions are plain; `dispatch.use` compiles them when the policy is first chosen.

With NUMBA_DISABLE_JIT=1 both decorators return the function unchanged, Numba is not imported, and
the engine steps through plain Python objects (`state.python_state`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
"""True where the engine runs as plain Python."""

ENGINE = Path(__file__).resolve().parent.parent


def sources_digest() -> str:
    """Return a digest of every source file of the engine.

    Numba stamps a cached kernel with the file of its outermost function only and would go on
    using a stale one after a change in a file it calls into, so the cache folder carries this.
    """
    total = hashlib.sha256()
    for path in sorted(ENGINE.rglob("*.py")):
        total.update(path.relative_to(ENGINE).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:16]


def cache_root() -> Path:
    """Return the folder of compiled kernels: VMLAB_KERNELS, else ``var/kernels`` of the project."""
    return Path(os.environ.get("VMLAB_KERNELS") or ENGINE.parent.parent / "var" / "kernels")


if INTERPRETED:

    def inner(function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function unchanged."""
        return function

    def entry(function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function unchanged."""
        return function

else:
    import numba

    CACHE = cache_root() / sources_digest()
    CACHE.mkdir(parents=True, exist_ok=True)
    numba.config.CACHE_DIR = str(CACHE)

    from vms.engine.compiled.linking import PartCompiler, WholeCompiler

    _compile_inner = numba.njit(
        error_model="numpy",
        nogil=True,
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
        pipeline_class=PartCompiler,
    )

    def inner(function: Callable[..., Any]) -> Callable[..., Any]:
        """Compile a function once for numbers of a type, not once for each constant it is given."""
        compiled = _compile_inner(function)
        template = compiled.get_call_template

        def without_literals(args: Any, kws: Any) -> Any:
            plain = {name: numba.types.unliteral(kind) for name, kind in kws.items()}
            return template(tuple(map(numba.types.unliteral, args)), plain)

        compiled.get_call_template = without_literals
        return compiled

    from vms.engine.compiled import handle  # noqa: F401  (teaches Numba what a State is)

    entry = numba.njit(error_model="numpy", nogil=True, cache=True, pipeline_class=WholeCompiler)


def forget_old_kernels() -> None:
    """Delete the cached kernels of other versions of the sources."""
    if INTERPRETED:
        return
    for folder in cache_root().iterdir():
        if folder.is_dir() and folder != CACHE:
            shutil.rmtree(folder, ignore_errors=True)
