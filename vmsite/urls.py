"""The site's addresses: the admin site, accounts, words for scripts, and the app's own."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.i18n import JavaScriptCatalog

from vms.api.docs import docs
from vms.api.site import urls as api_urls

urlpatterns = [
    path("admin/", admin.site.urls),  # its login is made allauth's in vms/admin.py
    path("accounts/", include("allauth.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("jsi18n/", JavaScriptCatalog.as_view(), name="jsi18n"),
    path("api/", docs, name="api_docs"),
    path("api/", api_urls),
    path("", include("vms.urls")),
]
