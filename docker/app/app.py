"""A small application: it trusts that smalls has brought its table, and serves what is in it."""  # noqa: INP001 -- a script, in no package

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from peewee import CharField, Model, MySQLDatabase, PostgresqlDatabase

ENGINES = {"postgresql": PostgresqlDatabase, "mysql": MySQLDatabase}

db = ENGINES[os.environ["DB_ENGINE"]](
    os.environ["DB_NAME"],
    host=os.environ["DB_HOST"],
    user=os.environ["DB_USER"],
    password=Path(os.environ["DB_PASSWORD_FILE"]).read_text(encoding="utf-8").strip(),
)


class User(Model):
    """A row of the table that migrations/0001 creates."""

    username = CharField(unique=True)
    email = CharField(null=True)

    class Meta:
        """Where the table is."""

        database = db
        table_name = "users"


class Users(BaseHTTPRequestHandler):
    """Answers every GET with the users."""

    def do_GET(self) -> None:
        """List the users as JSON."""
        with db.connection_context():
            names = [user.username for user in User.select().order_by(User.username)]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"users": names}).encode())


def main() -> None:
    """Say what is there, then serve it. Without the table this fails at once."""
    with db.connection_context():
        columns = ", ".join(column.name for column in db.get_columns("users"))
        print(f"app: users({columns}), {User.select().count()} rows", flush=True)  # noqa: T201 -- its output is for people
    ThreadingHTTPServer(("", 8000), Users).serve_forever()


if __name__ == "__main__":
    main()
