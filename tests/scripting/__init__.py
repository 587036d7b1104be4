"""Lua scripts and their libraries."""
