"""`python -m pyredis.cli` is `pyredis`, for where the scripts are not installed."""

from pyredis.cli.entry import main

if __name__ == "__main__":
    main()
