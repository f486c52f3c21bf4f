"""The pages: search, media, status. Each module has ``routes(desk)``."""
