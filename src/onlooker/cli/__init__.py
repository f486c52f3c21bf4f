"""The command line: main.py, then one file per command."""
