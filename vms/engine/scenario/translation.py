"""How guests' pages become the host's frames, where that is simulated."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import model_validator

from vms.engine.errors import EngineError
from vms.engine.scenario.fields import Bool, Choice, Model, Quantity

FORMATS = {"x86-64-4": 4, "x86-64-5": 5, "sv39": 3}
"""Page table formats, and their levels."""
TableFormat = Annotated[str, Choice(*FORMATS)]


class Translation(Model):
    """Page tables of two levels, a TLB, huge pages."""

    mode: Annotated[str, Choice("nested", "shadow")] = "nested"
    """A nested table under the guest's, or one shadow table that the host keeps in step with it."""
    guest: TableFormat = "x86-64-4"
    """Format of guests' page tables."""
    host: TableFormat = "x86-64-4"
    """Format of the nested table."""
    tlb_entries: Annotated[int, Quantity(1, 16_384, "entries")] = 1_536
    """Entries of each pCPU's TLB."""
    tlb_ways: Annotated[int, Quantity(1, 64, "entries")] = 12
    """Entries of a set: a page may be in one set only."""
    vmid: Bool = True
    """Whether entries are tagged by VM; else all are flushed where another VM's pages come next."""
    guest_huge: Bool = False
    """Whether guests map whole regions by huge pages; a balloon splits them."""
    host_huge: Bool = False
    """Whether the host promotes a region whose pages are all in place to a huge page."""
    huge_span: Annotated[int, Quantity(2, 512, "pages")] = 512
    """Pages of a huge page: 512 of 4 KiB are 2 MiB; fewer for small labs."""

    @model_validator(mode="after")
    def _sets(self) -> Any:
        if self.tlb_entries % self.tlb_ways:
            raise EngineError(
                "{field} must be a multiple of {ways}, the entries of a set, got {given}",
                "tlb_entries",
                ways=self.tlb_ways,
                given=self.tlb_entries,
            )
        return self
