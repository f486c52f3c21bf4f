"""Text in videos: frames → lines of text, each with its span and its places over time."""
