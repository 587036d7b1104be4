"""``pyredis cli``: a small redis-cli for places that have none. It imports next to nothing: probes start fast."""
