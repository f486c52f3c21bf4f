"""Text in pictures: finding, reading and rendering it."""
