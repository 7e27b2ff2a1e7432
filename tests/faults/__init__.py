"""Tests that kill, cut and time out."""
