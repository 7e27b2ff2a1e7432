"""smalls: a database deployment step for projects with Peewee models."""
