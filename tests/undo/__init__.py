"""Older images and newer databases."""
