"""smalls measured beside its peers: the same history of migrations, whole processes, side by side in one run."""
