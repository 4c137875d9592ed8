"""The comparison store's tables in SQLite."""

FORMAT = 2  # 1: no segment says how many of its steps stand still

# `answers` is only ever appended to: an answer that is taken back stays, with a row that undoes it.
TABLES = """
CREATE TABLE header (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE segments (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, length INTEGER NOT NULL, step INTEGER NOT NULL,
    data BLOB NOT NULL, clip BLOB
);
CREATE TABLE pairs (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE,
    first INTEGER NOT NULL REFERENCES segments, second INTEGER NOT NULL REFERENCES segments,
    swapped INTEGER NOT NULL, uniform INTEGER NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('query', 'calibration')),
    round INTEGER NOT NULL, step INTEGER NOT NULL, score REAL NOT NULL, created REAL NOT NULL
);
CREATE INDEX pairs_order ON pairs (kind, round DESC, score DESC, id);
CREATE TABLE leases (
    lease TEXT PRIMARY KEY, pair INTEGER NOT NULL REFERENCES pairs, annotator TEXT NOT NULL,
    swapped INTEGER NOT NULL, repeat INTEGER NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX leases_pair ON leases (pair, until);
CREATE TABLE answers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, client TEXT NOT NULL UNIQUE, pair INTEGER NOT NULL REFERENCES pairs,
    annotator TEXT NOT NULL,
    answer TEXT NOT NULL CHECK (answer IN ('first', 'second', 'tie', 'cant_tell', 'skip', 'undo')),
    undoes INTEGER UNIQUE REFERENCES answers, swapped INTEGER NOT NULL, repeat INTEGER NOT NULL, ms INTEGER,
    goal TEXT NOT NULL, lease TEXT, created REAL NOT NULL, CHECK ((answer = 'undo') = (undoes IS NOT NULL))
);
CREATE INDEX answers_pair ON answers (pair, annotator);
CREATE INDEX answers_lease ON answers (lease);
CREATE VIEW standing AS
    SELECT * FROM answers AS a
    WHERE undoes IS NULL AND NOT EXISTS (SELECT 1 FROM answers AS u WHERE u.undoes = a.id);
CREATE TABLE goals (
    id INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL, content TEXT NOT NULL, created REAL NOT NULL
);
CREATE TABLE calibration (pair INTEGER PRIMARY KEY REFERENCES pairs, answer TEXT NOT NULL, why TEXT NOT NULL);
CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE decisions (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
