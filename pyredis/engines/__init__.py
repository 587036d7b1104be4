"""The values of the four aggregate types: pure data structures that know no client, key, reply or clock.

The stored object is the value: ``type(o) is ListObj`` and so on. Each engine has ``__len__``, ``copy``, ``encoding``
(what OBJECT ENCODING answers) and ``check``, which verifies its invariants in tests. Methods never leave a value
half-changed: they validate nothing (the commands do, before they call) and raise only what their docstrings name.
"""
