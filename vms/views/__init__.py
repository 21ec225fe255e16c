"""The screens, one module per group; addresses in vms/urls.py."""
