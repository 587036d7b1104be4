"""Databases, expiry, and the one epilogue of every change of data."""
