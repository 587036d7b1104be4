"""Replication: a server's changes as a stream of commands to its replicas, and the link of a replica to its master."""
