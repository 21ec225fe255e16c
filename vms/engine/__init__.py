"""The engine: a host of virtual machines, simulated tick by tick; knows nothing of the web."""
