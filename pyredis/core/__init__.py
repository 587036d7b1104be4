"""The server's core: the command table, dispatch, clients, configuration, propagation. No sockets, no files."""
