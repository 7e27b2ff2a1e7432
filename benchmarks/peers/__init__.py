"""The tools that smalls is measured beside, one file each."""

from benchmarks.peers.alembic import Alembic
from benchmarks.peers.alone import Alone
from benchmarks.peers.base import Peer, Scenario
from benchmarks.peers.client import Client
from benchmarks.peers.dbmate import Dbmate
from benchmarks.peers.django import Django
from benchmarks.peers.peewee_migrate import PeeweeMigrate
from benchmarks.peers.piccolo import Piccolo
from benchmarks.peers.pwmigrate import Pwmigrate
from benchmarks.peers.smalls import Smalls
from benchmarks.peers.yoyo import Yoyo

__all__ = ["PEERS", "Peer", "Scenario"]

PEERS: tuple[Peer, ...] = (
    Client(),
    Alone(),
    Dbmate(),
    Smalls(),
    PeeweeMigrate(),
    Pwmigrate(),
    Yoyo(),
    Django(),
    Alembic(),
    Piccolo(),
)
