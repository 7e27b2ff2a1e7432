"""Models that have not changed: how long it takes each tool to say so, for 200 and 1,000 tables of ten columns."""
