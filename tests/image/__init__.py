"""Tests of the image and the Compose file, in a real Docker engine."""
