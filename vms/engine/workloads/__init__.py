"""What a VM's vCPUs execute: reference patterns, traces, and the table of steps."""
