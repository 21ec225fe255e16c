"""The sockets' addresses."""

from __future__ import annotations

from django.urls import path

from vms.consumers import LabConsumer

websocket_urlpatterns = [path("ws/lab/<uuid:lab>/", LabConsumer.as_asgi())]
