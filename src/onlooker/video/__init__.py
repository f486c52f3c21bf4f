"""Rooms for what only moving pictures have. Today: `onlooker.video.shots`."""
