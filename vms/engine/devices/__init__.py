"""Device models: what a physical device of each kind is by default.  One file per model."""

DEVICES: dict[str, str] = {
    "disk": "a block device: 1 channel, 250 µs a request and 500 MiB/s",
    "nic": "a network card: 4 channels, 20 µs a request and 1000 MiB/s; virtual functions",
    "console": "a serial console: 1 channel, 100 µs a request and 1 MiB/s",
}
"""Name → summary, in the order of `device.kind`."""
