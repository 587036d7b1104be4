"""What is on disk: snapshots (RDB) and the append-only file (AOF)."""
