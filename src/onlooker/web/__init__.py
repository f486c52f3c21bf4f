"""The web page and the API: a library in, pages and JSON out; nothing leaves the machine."""
