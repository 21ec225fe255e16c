"""The REST API under /api/: what pages and sockets can do, for programs. docs/api.md is its guide.

One module per subject; `vms.api.site` puts them together. Whatever touches a live run is awaited
on the server's loop; whatever touches rows alone is a plain function, which Django calls in a
thread.
"""
