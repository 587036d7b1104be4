"""The commands, one file per group; importing :mod:`pyredis.commands.all` fills the command table."""
