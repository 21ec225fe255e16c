"""The admin site: labs, VMs, pages, devices, mappings, members, runs.

Every save is checked by the schema of the scenario, whose sentence stands on its field. What is
changed here takes effect at the lab's next start, and the page says so.
"""

from vms.admin import labs, machines, pages, runs

__all__ = ["labs", "machines", "pages", "runs"]
