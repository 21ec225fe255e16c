"""Lets compiled code take the whole state as ONE pointer.

Numba passes a tuple of 20 arrays by copying some 140 numbers into every call, which makes the
calls and, far worse, the compilation slow.  Here a `State` is seen by compiled code as the address
of a small array of (address, length) pairs, one per table:

    s.host            the only row of table host       s.vcpu[v].weight      a field
    s.pte[page]       an element of a plain array      len(s.event)          number of rows

Rows are never copied: ``vc = s.vcpu[v]; vc.weight += 1`` changes the table.

An index out of range goes to row 0 and leaves the number of the table in a mark behind the last
pair, which `State.check` raises after the step: exceptions do not cross calls through addresses,
and a wrong index must never end the process with every lab in it.

This is the only file that uses Numba's internals (semi-private: Numba is pinned).
"""

import operator

from llvmlite import ir
from numba import from_dtype, types
from numba.core import cgutils
from numba.core.datamodel import models, register_default
from numba.core.imputils import lower_builtin, lower_getattr_generic
from numba.core.typing.templates import (
    AbstractTemplate,
    AttributeTemplate,
    infer_getattr,
    infer_global,
    signature,
)
from numba.extending import NativeValue, typeof_impl, unbox

from vms.engine.state import State
from vms.engine.tables import LAYOUT, LAYOUT_HASH, SINGLE

ROW = {name: from_dtype(dtype) for name, dtype in LAYOUT.items()}
INDEX = {name: k for k, name in enumerate(LAYOUT)}
I64 = ir.IntType(64)


class StateType(types.Type):
    """A State: the address of its (address, length) pairs."""

    def __init__(self):
        super().__init__(name=f"State<{LAYOUT_HASH}>")


class TableType(types.Type):
    """The rows of one table: the address of its pair."""

    def __init__(self, table):
        self.table = table
        super().__init__(name=f"Table<{table},{LAYOUT_HASH}>")

    @property
    def row(self):
        """Return the Numba type of a row."""
        return ROW[self.table]

    @property
    def loaded(self):
        """Return the type of a row that is read: numbers of any width are int64."""
        return types.int64 if isinstance(self.row, types.Integer) else self.row


state_type = StateType()
register_default(StateType)(models.OpaqueModel)
register_default(TableType)(models.OpaqueModel)


@typeof_impl.register(State)
def _typeof_state(val, c):
    return state_type


@unbox(StateType)
def _unbox_state(typ, obj, c):
    number = c.pyapi.object_getattr_string(obj, "address")
    address = c.pyapi.long_as_ulonglong(number)
    c.pyapi.decref(number)
    return NativeValue(c.builder.inttoptr(address, cgutils.voidptr_t))


def _fixed_load(builder, pointer):
    """Load what never changes while compiled code runs: LLVM may keep it in a register."""
    value = builder.load(pointer)
    value.set_metadata("invariant.load", builder.module.add_metadata([]))
    return value


def _pair(builder, value, k):
    base = builder.bitcast(value, I64.as_pointer())
    return _fixed_load(builder, cgutils.gep_inbounds(builder, base, k))


def _offset(builder, value, name):
    """Return the bytes before the row of a single table that is meant: of `policy` the pool's."""
    if name != "policy":
        return ir.Constant(I64, 0)
    field = LAYOUT["host"].fields["pool"][1]
    host = builder.add(_pair(builder, value, 2 * INDEX["host"]), ir.Constant(I64, field))
    pool = builder.load(builder.inttoptr(host, I64.as_pointer()))
    return builder.mul(pool, ir.Constant(I64, LAYOUT["policy"].itemsize))


@infer_getattr
class StateAttributes(AttributeTemplate):
    """s.host is a row, s.<table> a table."""

    key = StateType

    def generic_resolve(self, typ, name):
        """Return the type of attribute `name`."""
        if name in SINGLE:
            return ROW[name]
        return TableType(name) if name in LAYOUT else None


@lower_getattr_generic(StateType)
def _lower_table(context, builder, typ, value, name):
    k = INDEX[name]
    if name in SINGLE:
        row = context.get_value_type(ROW[name])
        first = _pair(builder, value, 2 * k)
        return builder.inttoptr(builder.add(first, _offset(builder, value, name)), row)
    base = builder.bitcast(value, I64.as_pointer())
    return builder.bitcast(cgutils.gep_inbounds(builder, base, 2 * k), cgutils.voidptr_t)


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):
    def generic(self, args, kws):
        if len(args) == 2 and isinstance(args[0], TableType) and isinstance(args[1], types.Integer):
            return signature(args[0].loaded, args[0], types.int64)
        return None


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):
    def generic(self, args, kws):
        if len(args) == 3 and isinstance(args[0], TableType) and isinstance(args[1], types.Integer):
            return signature(types.none, args[0], types.int64, args[0].row)
        return None


@infer_global(len)
class _Len(AbstractTemplate):
    def generic(self, args, kws):
        if isinstance(args[0], TableType):
            return signature(types.int64, args[0])
        return None


def _element(context, builder, table, value, index):
    bad = builder.icmp_unsigned(">=", index, _pair(builder, value, 1))
    with builder.if_then(bad, likely=False):
        base = builder.bitcast(value, I64.as_pointer())
        mark = cgutils.gep_inbounds(builder, base, 2 * (len(LAYOUT) - INDEX[table.table]))
        builder.store(ir.Constant(I64, INDEX[table.table] + 1), mark)
    index = builder.select(bad, ir.Constant(I64, 0), index)
    start = builder.inttoptr(_pair(builder, value, 0), cgutils.voidptr_t)
    offset = builder.mul(index, ir.Constant(I64, LAYOUT[table.table].itemsize))
    return builder.gep(start, [offset], inbounds=True)


@lower_builtin(operator.getitem, TableType, types.Integer)
def _lower_getitem(context, builder, sig, args):
    table = sig.args[0]
    pointer = _element(context, builder, table, *args)
    if isinstance(table.row, types.Record):
        return builder.bitcast(pointer, context.get_value_type(table.row))
    value = builder.load(builder.bitcast(pointer, context.get_value_type(table.row).as_pointer()))
    return value if value.type == I64 else builder.sext(value, I64)


@lower_builtin(operator.setitem, TableType, types.Integer, types.Any)
def _lower_setitem(context, builder, sig, args):
    table, _, row = sig.args
    value, index, x = args
    pointer = _element(context, builder, table, value, index)
    builder.store(x, builder.bitcast(pointer, context.get_value_type(row).as_pointer()))


@lower_builtin(len, TableType)
def _lower_len(context, builder, sig, args):
    return _pair(builder, args[0], 1)
