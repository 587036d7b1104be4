"""RESP2 and RESP3: requests in, replies out. Knows no client and no server."""
