"""How the media of the demonstration are made."""
