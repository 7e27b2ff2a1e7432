"""From the project's models to migrations: what is declared, and what leads there from what is promised."""
