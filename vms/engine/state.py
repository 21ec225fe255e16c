"""The state of a machine as NumPy tables, and the same as plain Python objects."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from vms.engine.tables import LAYOUT, TABLES


def new_table(name: str, rows: int) -> np.ndarray:
    """Return `rows` (at least one) rows of zeros for table `name`; records as a recarray."""
    array = np.zeros(max(1, rows), LAYOUT[name])
    return array.view(np.recarray) if name in TABLES else array


class State:
    """One NumPy array per table, and the addresses of all of them for compiled code.

    Never replace an array behind a State: compiled code holds its address.  Build a new State.
    """

    __slots__ = (*LAYOUT, "address", "pairs")

    def __init__(self, **arrays: np.ndarray) -> None:
        for name, dtype in LAYOUT.items():
            array = arrays[name]
            if array.dtype != dtype or not array.flags.c_contiguous or len(array) == 0:
                raise ValueError(f"table {name}: {array.dtype}, {array.shape}")
            setattr(self, name, array)
        rows = [(array.ctypes.data, len(array)) for array in self]
        self.pairs = np.array([*rows, (0, 0)], np.int64)
        self.address: int = self.pairs.ctypes.data

    def __getattr__(self, name: str) -> Any:  # tables are slots; this tells type checkers so
        raise AttributeError(name)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (getattr(self, name) for name in LAYOUT)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the tables by name, not copied."""
        return {name: getattr(self, name) for name in LAYOUT}

    def copy(self) -> State:
        """Return an independent copy."""
        return State(**{name: array.copy() for name, array in self.arrays().items()})

    def check(self) -> None:
        """Raise IndexError if compiled code used a row that does not exist since the last call."""
        mark = int(self.pairs[-1, 0])
        if mark:
            self.pairs[-1, 0] = 0
            raise IndexError(f"no such row in table {list(LAYOUT)[mark - 1]!r}")


LONG = ("event", "request")
"""Tables of which a step uses few rows: the uncompiled engine makes those only."""


class LazyRows:
    """The rows of a table, made into objects when they are first used."""

    def __init__(self, array: np.ndarray, kind: type) -> None:
        self.array = array
        self.kind = kind
        self.made: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> Any:
        row = self.made.get(index)
        if row is None:
            if index < 0:
                raise IndexError(index)
            names = self.array.dtype.names or ()
            row = self.made[index] = _row(self.kind, names, self.array[index].item())
        return row


class PythonState(SimpleNamespace):
    """The tables as lists of objects; of `policy` the row of the pool in force."""

    @property
    def policy(self) -> Any:
        """Return what the policy in force keeps."""
        return self.policies[self.host.pool]


def python_state(state: State, hooks: list[Any]) -> Any:
    """Return the state as lists of small objects: what the uncompiled engine steps through.

    Sixty times faster to interpret than rows of a recarray, and readable in a debugger.  `hooks`
    are the policies' functions, in the order of `dispatch.HOOKS`.
    """
    out = PythonState()
    for name, array in state.arrays().items():
        names = array.dtype.names or ()
        kind = type(name.capitalize(), (), {"__slots__": names})
        if name == "policy":
            out.policies = [_row(kind, names, values) for values in array.tolist()]
        elif name in LONG:
            setattr(out, name, LazyRows(array, kind))
        elif name in TABLES:
            setattr(out, name, [_row(kind, names, values) for values in array.tolist()])
        else:
            setattr(out, name, array.tolist())
    out.host = out.host[0]
    out.hooks = hooks
    return out


def _row(kind: type, names: tuple[str, ...], values: tuple[int, ...]) -> object:
    row = kind()
    for name, value in zip(names, values, strict=True):
        setattr(row, name, value)
    return row


def read_back(state: State, python: Any) -> None:
    """Copy what `python_state` made of `state`, after it was stepped, back into the tables."""
    for name, array in state.arrays().items():
        if name == "hooks":
            continue
        rows = python.policies if name == "policy" else getattr(python, name)
        names = array.dtype.names or ()
        if isinstance(rows, LazyRows):
            for index, row in rows.made.items():
                array[index] = tuple(getattr(row, field) for field in names)
            continue
        if name == "host":
            rows = [rows]
        if name in TABLES:
            array[:] = np.array([tuple(getattr(r, n) for n in names) for r in rows], array.dtype)
        else:
            array[:] = rows
