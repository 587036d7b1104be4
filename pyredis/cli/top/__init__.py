"""``pyredis top``: what a server does, in a terminal."""
