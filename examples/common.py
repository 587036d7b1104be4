"""What the examples share: the server's address from ``--url``, and a client."""

from __future__ import annotations

import argparse

import redis


def connect() -> redis.Redis:
    """A client for the server named on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="redis://127.0.0.1:6379")
    return redis.Redis.from_url(parser.parse_args().url, decode_responses=True)
