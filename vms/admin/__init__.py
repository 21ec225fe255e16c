"""The admin site: labs, VMs, pages, devices, mappings, members, runs.

Every save is checked by the schema of the scenario, whose sentence stands on its field. What is
changed here takes effect at the lab's next start, and the page says so.
"""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from vms.admin import classes, labs, machines, pages, people, runs

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.site_header = _("VM Lab: administration")
admin.site.site_title = _("VM Lab")
admin.site.index_title = _("Labs and what is in them")

__all__ = ["classes", "labs", "machines", "pages", "people", "runs"]
