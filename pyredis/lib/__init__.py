"""Small independent pieces: number formats, patterns, quoting. Imports nothing of ours."""
