"""The tests of smalls."""
