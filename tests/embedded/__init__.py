"""Servers inside the process that uses them."""
