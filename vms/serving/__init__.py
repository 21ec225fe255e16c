"""Daphne, and what it lacks: ASGI lifespan, a limit on bodies, back-pressure, a clean end.

Daphne hands a request to the application once its whole body is in memory, writes without ever
waiting, knows no start and no end of the application, and dies at SIGTERM while a socket is
younger than about a second. Each class here cures one of these; `server.LabServer` puts them
together. The same application also runs under any other ASGI server, without these guards.
"""
