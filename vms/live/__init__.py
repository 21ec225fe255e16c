"""Runs that are alive: the engine, the models and asyncio; never views or templates."""
