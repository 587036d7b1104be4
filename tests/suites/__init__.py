"""Test-suites of clients, run against ours and redis-server (``make test-clients``)."""
