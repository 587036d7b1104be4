"""Listeners and connections: bytes in and out of the dispatcher."""
