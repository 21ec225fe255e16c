"""Device models: what a physical device of each kind is by default.  One file per model.

A file says CHANNELS, SERVICE_US, MIB_PER_S and VFS; and as needed ACCESS, SLICE_US, POLL_US,
DELAY_US and PROFILES, which are what `scenario.device` says where it is silent.
"""

DEVICES: dict[str, str] = {
    "disk": "a block device: 1 channel, 250 µs a request and 500 MiB/s",
    "nic": "a network card: 4 channels, 20 µs a request and 1000 MiB/s; virtual functions",
    "console": "a serial console: 1 channel, 100 µs a request and 1 MiB/s",
    "timer": "a timer: 1024 channels, a request is over when its 1000 µs are",
    "gpu": "a graphics processor: jobs of 2000 µs take turns of 500 µs, or fixed profiles",
    "usb": "a character device at USB: polled every 125 µs, 1 channel, 10 µs and 40 MiB/s",
    "switch": "a virtual switch: 1250 MiB/s, packets are 10 µs on the way between VMs",
}
"""Name → summary, in the order of `device.kind`."""
