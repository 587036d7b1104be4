"""A server inside the process that uses it: for tests, and for programs that want a Redis of their own.

:class:`~pyredis.embedded.server.Server` is one server with its sockets (or without any), a clock that can be moved, and
faults on demand; :mod:`~pyredis.embedded.connections` connects redis-py to it without a socket;
:mod:`pyredis.fake` looks like fakeredis; :mod:`pyredis.pytest_plugin` has the fixtures.
"""
