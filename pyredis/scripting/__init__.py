"""Lua scripts, functions, and the libraries they use."""
