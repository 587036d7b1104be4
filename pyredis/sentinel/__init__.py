"""Sentinel: watches masters, agrees with other sentinels whether one is down, and promotes a replica then."""
