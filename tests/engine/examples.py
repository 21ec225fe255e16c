"""Scenarios as data: the documented example, and the smallest there is."""

EXAMPLE = {
    "name": "Two web servers and a batch job",
    "seed": 1,
    "tick_us": 100,
    "dialect": "textbook",
    "host": {
        "pcpus": 2,
        "frames": 256,
        "page_kib": 4,
        "scheduler": {"policy": "round_robin", "time_slice": 30},
        "replacement": {"policy": "clock", "scope": "global"},
        "costs": {
            "vm_exit_ns": 700,
            "context_switch_ns": 2000,
            "cache_refill_ns": 20000,
            "minor_fault_ns": 2500,
            "cow_ns": 3000,
        },
        "swap": {"device": "disk0"},
        "devices": [
            {"name": "disk0", "kind": "disk", "channels": 1, "service_us": 250, "mib_per_s": 500},
            {"name": "nic0", "kind": "nic", "channels": 4, "service_us": 20, "vfs": 2},
        ],
    },
    "vms": [
        {
            "name": "web",
            "count": 2,
            "kind": "vm",
            "vcpus": 1,
            "pages": 128,
            "time_slice": 30,
            "weight": 256,
            "cap": 0,
            "start_at": 0,
            "devices": [{"name": "vda", "backend": "disk0", "mode": "paravirtual"}],
            "workload": {
                "repeat": "forever",
                "steps": [
                    {"compute": 5},
                    {
                        "touch": {
                            "pattern": "zipf",
                            "first": 0,
                            "pages": 100,
                            "refs": 400,
                            "refs_per_tick": 100,
                            "write": 0.3,
                            "alpha": 1.0,
                        }
                    },
                    {"io": {"device": "vda", "op": "read", "requests": 1, "kib": 4}},
                    {"sleep": 20},
                ],
            },
        },
        {
            "name": "batch",
            "pages": 64,
            "start_at": 10,
            "workload": {"repeat": 1, "steps": [{"compute": 400}]},
        },
        {
            "name": "replay",
            "pages": 4096,
            "workload": {
                "repeat": 1,
                "steps": [{"trace": {"pages": [1, 2, 3, 4, 1, 2, 5], "refs_per_tick": 1}}],
            },
        },
    ],
}
SMALLEST = {"name": "a", "vms": [{"name": "b", "workload": {"steps": [{"compute": 1}]}}]}
