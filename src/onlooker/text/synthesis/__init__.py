"""Pictures from strings: fonts, words, backgrounds, effects; the data that readers learn from."""
