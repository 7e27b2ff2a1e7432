"""SQL that operations compile to, engine by engine."""
