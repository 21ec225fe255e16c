"""The only bridge between rows and engine: a lab at rest ↔ a scenario, a run's traces → rows.

The rows are the truth at rest. A scenario is derived from them whenever one is wanted (a start, a
download, a check of an edit), and is taken apart into them when a lab is founded.
"""

from vms.live.store.edits import keep_pages
from vms.live.store.goals import goals, goals_of
from vms.live.store.keeping import Remains, Standing, keep, keep_waypoint, remains_of, write_rest
from vms.live.store.recording import note_engine, recording, recording_of
from vms.live.store.rest import (
    LabGone,
    limits,
    load,
    make_current,
    open_run,
    plays,
    run_to_go_on,
    runs_to_go_on,
    speed,
    write_back,
)
from vms.live.store.rows import (
    DEVICE_KEYS,
    VM_KEYS,
    Rows,
    default_of,
    limits_for,
    read_rows,
    rows_from,
    scenario_of,
)
from vms.live.store.tree import (
    branch,
    checkpoint_ticks,
    choose,
    delete_run,
    is_current,
    name_run,
    numbered,
    restore_run,
    runs_of,
    tree,
    unused_branch,
)
from vms.live.store.writer import journal

__all__ = [
    "DEVICE_KEYS",
    "VM_KEYS",
    "LabGone",
    "Remains",
    "Rows",
    "Standing",
    "branch",
    "checkpoint_ticks",
    "choose",
    "default_of",
    "delete_run",
    "goals",
    "goals_of",
    "is_current",
    "journal",
    "keep",
    "keep_pages",
    "keep_waypoint",
    "limits",
    "limits_for",
    "load",
    "make_current",
    "name_run",
    "note_engine",
    "numbered",
    "open_run",
    "plays",
    "read_rows",
    "recording",
    "recording_of",
    "remains_of",
    "restore_run",
    "rows_from",
    "run_to_go_on",
    "runs_of",
    "runs_to_go_on",
    "scenario_of",
    "speed",
    "tree",
    "unused_branch",
    "write_back",
    "write_rest",
]
