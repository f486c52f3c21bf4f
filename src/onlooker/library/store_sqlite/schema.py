"""Tables of a library, and how an older library becomes a newer one.

Numbers that matter:

* ``moment.id`` counts up in reading order and is never used twice. The moments of one (medium,
  stage) are neighbours, so "a few lines further" is a range of ids.
* ``moment.rank`` is small where a match says much: see `onlooker.library.ranks`. The word index is
  keyed by ``rank << 40 | id``: SQLite walks it best first, and the best hits of a word that stands
  in half a million moments are its first ones.
"""

from __future__ import annotations

import sqlite3

APPLICATION_ID = 0x4F4E4C4B  # "ONLK": tells a library from any other SQLite file

ID_BITS = 40
ID_MASK = (1 << ID_BITS) - 1

_FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

CREATE TABLE root (
  id INTEGER PRIMARY KEY,
  path BLOB NOT NULL UNIQUE,          -- os.fsencode: any bytes
  exclude TEXT NOT NULL DEFAULT '[]', -- JSON list of patterns
  offline INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE media (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  public_id TEXT NOT NULL UNIQUE,
  content_hash TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  added_at REAL NOT NULL,
  "when" REAL NOT NULL,
  title TEXT NOT NULL,
  facts TEXT NOT NULL,                -- JSON of MediaFacts
  duration_s REAL NOT NULL DEFAULT 0,
  creators TEXT NOT NULL DEFAULT '',  -- folded, for the filters
  series TEXT NOT NULL DEFAULT '',
  language TEXT NOT NULL DEFAULT ''
);
CREATE INDEX media_by_when ON media ("when");

CREATE TABLE path (
  path BLOB PRIMARY KEY,
  root_id INTEGER NOT NULL REFERENCES root (id),
  media_id INTEGER REFERENCES media (id),
  size_bytes INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL DEFAULT '',
  beside TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX path_by_media ON path (media_id);
CREATE INDEX path_by_root ON path (root_id);

CREATE TABLE task (
  media_id INTEGER NOT NULL REFERENCES media (id),
  stage TEXT NOT NULL,
  state TEXT NOT NULL,
  producer TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '',
  seconds REAL NOT NULL DEFAULT 0,
  finished_at REAL,
  first_id INTEGER,                   -- its moments: ids first_id..last_id
  last_id INTEGER,
  screen INTEGER NOT NULL DEFAULT 0,  -- number of its moments by kind of evidence
  speech INTEGER NOT NULL DEFAULT 0,
  name INTEGER NOT NULL DEFAULT 0,
  person INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (media_id, stage)
) WITHOUT ROWID;
CREATE INDEX task_by_state ON task (stage, state);

CREATE TABLE view (
  media_id INTEGER NOT NULL REFERENCES media (id),
  number INTEGER NOT NULL,
  width INTEGER NOT NULL,
  height INTEGER NOT NULL,
  start_s REAL,
  end_s REAL,
  best_s REAL,
  page INTEGER,
  kind TEXT NOT NULL,
  thumbnail TEXT NOT NULL DEFAULT '', -- name of the file in the medium's folder below thumbs/
  thumbnail_bytes INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (media_id, number)
) WITHOUT ROWID;

CREATE TABLE producer (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL);

CREATE TABLE moment (
  id INTEGER PRIMARY KEY,
  media_id INTEGER NOT NULL REFERENCES media (id),
  stage INTEGER NOT NULL,             -- index in STAGES
  rank INTEGER NOT NULL,
  producer_id INTEGER NOT NULL REFERENCES producer (id),
  start_s REAL,
  end_s REAL,
  page INTEGER,
  view INTEGER,
  confidence REAL NOT NULL,
  field TEXT,
  text TEXT NOT NULL,
  polygons BLOB
);
CREATE INDEX moment_by_media ON moment (media_id, stage);

-- A person's word on one record; text NULL hides it. original: JSON of the record it was made for.
CREATE TABLE correction (
  id INTEGER PRIMARY KEY,
  media_id INTEGER NOT NULL REFERENCES media (id),
  stage INTEGER NOT NULL,
  moment_id INTEGER,
  text TEXT,
  original TEXT NOT NULL,
  made_at REAL NOT NULL
);
CREATE INDEX correction_by_media ON correction (media_id, stage);

-- Every folded word, and in how many moments it stands.
CREATE TABLE word (word TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;

CREATE VIEW moment_words AS
  SELECT (rank << 40) | id AS key, onlooker_fold(text) AS plain, onlooker_spelled(text) AS spelled
  FROM moment;
CREATE VIEW moment_parts AS SELECT id, onlooker_squeeze(text) AS squeezed FROM moment;

-- Text comes folded, so the tokenizer only splits; marks belong to words in many scripts.
-- columnsize=0: lengths are in the rank. detail=full: phrases need places.
CREATE VIRTUAL TABLE words USING fts5 (
  plain, spelled, content='moment_words', content_rowid='key', columnsize=0, detail='full',
  tokenize="unicode61 remove_diacritics 0 categories 'L* N* M* Co'"
);
-- detail=none halves the index; a match is checked against the text anyway.
CREATE VIRTUAL TABLE parts USING fts5 (
  squeezed, content='moment_parts', content_rowid='id', columnsize=0, detail='none',
  tokenize='trigram'
);
"""

MIGRATIONS: tuple[str, ...] = (_FIRST,)
"""Script ``n`` takes a library from version n to n + 1; never edit one that was shipped."""

VERSION = len(MIGRATIONS)


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of the library behind a connection; 0: nothing in it yet."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a library to `VERSION`, one step a transaction."""
    for number in range(version_of(connection), VERSION):
        # executescript would commit first; the explicit transaction makes each step all or nothing.
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{MIGRATIONS[number]}\n"
            f"PRAGMA application_id = {APPLICATION_ID};\n"
            f"PRAGMA user_version = {number + 1};\nCOMMIT;"
        )
