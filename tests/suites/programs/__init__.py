"""Programs that use a client, a cache or a queue; each prints what it got."""
