"""The version of smalls itself: one place, read by the build and by `smalls --version`."""

__version__ = "0.1.0"
