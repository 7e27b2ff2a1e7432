"""Tests of the command, run as a process."""
