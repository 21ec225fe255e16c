"""The sockets' addresses."""

from __future__ import annotations

from typing import Any

from django.urls import path

from vms.consumers import LabConsumer

socket: Any = LabConsumer.as_asgi()  # path() is typed for views; Channels' router takes these too
websocket_urlpatterns: list[Any] = [path("ws/lab/<uuid:lab>/", socket)]
