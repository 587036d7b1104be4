"""`python -m pyredis` runs the server; its arguments are those of `pyredis-server`."""

from pyredis.cli.server import main

if __name__ == "__main__":
    main()
