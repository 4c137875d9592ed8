"""`ComparisonStore`: pairs, answers and what renders them, in one SQLite file that trainer and page open together."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

from rlkit.errors import UsageError
from rlkit.rewards.answers import COUNTED, FITTED, Answer, Label, Pair, Progress
from rlkit.rewards.database import Database
from rlkit.rewards.header import Header
from rlkit.rewards.notes import Notes
from rlkit.rewards.schema import FORMAT, TABLES
from rlkit.rewards.segments import Clip, Segment
from rlkit.trees import from_bytes, to_bytes

STORE = "comparisons.sqlite"
_PAIR = "id, key, first, second, swapped, uniform, kind, round, step, score"
_LABEL = "id, pair, annotator, answer, swapped, repeat, ms, goal, created"


class ComparisonStore(Notes):
    """See the module. A write is on the disk when its method returns, or when the :meth:`transaction` around it ends.

    Args:
        path: Of a file that :meth:`create` made.

    Attributes:
        header: What all segments have in common.

    Raises:
        UsageError: If there is none, or it is of a newer format, or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        if not path.is_file():
            raise UsageError(f"there are no comparisons in {path}: begin a run with reward=preferences first")
        try:
            super().__init__(path)
            header = {key: json.loads(value) for key, value in self.rows("SELECT key, value FROM header")}
            version = header.pop("format")
            if version > FORMAT:
                raise UsageError(
                    f"{path} has format {version}, this rlkit reads up to {FORMAT}: install the rlkit that wrote it"
                )
            self.header = Header.from_plain(header)
        except UsageError:
            raise
        except (sqlite3.DatabaseError, KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{path} is not a store of comparisons: {error!r}") from error

    @classmethod
    def create(cls, path: str | Path, header: Header) -> ComparisonStore:
        """A new store, or the one that is there if it has the same header (its budget may have been another).

        Raises:
            UsageError: If the one that is there is of something else.
        """
        path, wanted = Path(path), header.to_plain()
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _lay_out(path, wanted)
        with Database(path) as file, file.transaction() as db:
            db.execute("UPDATE header SET value = ? WHERE key = 'budget'", (json.dumps(header.budget),))
            db.execute("UPDATE header SET value = max(CAST(value AS INTEGER), ?) WHERE key = 'format'", (FORMAT,))
        store = cls(path)
        found = store.header.to_plain()
        other = [key for key in wanted if wanted[key] != found[key]]
        if other:
            store.close()
            raise UsageError(f"{path} holds comparisons of another task: its {', '.join(other)} differ from this run's")
        return store

    def add_segment(self, segment: Segment) -> int:
        """Keep a segment, one with the same content once; returns its id."""
        data = to_bytes({name: value for name, value in vars(segment).items() if name != "clip"})
        clip = None if segment.clip is None else to_bytes(vars(segment.clip))
        digest = hashlib.sha256(data + (clip or b"")).hexdigest()
        with self.transaction() as db:
            if found := db.execute("SELECT id FROM segments WHERE digest = ?", (digest,)).fetchone():
                return int(found[0])
            return self.insert("segments", digest=digest, length=len(segment), step=segment.step, data=data, clip=clip)

    def segment(self, segment: int, *, clip: bool = False) -> Segment:
        """A segment by its id.

        Args:
            segment: Its id.
            clip: Whether to read what renders it as well.

        Raises:
            KeyError: If there is none.
        """
        for data, packed in self.rows(f"SELECT data, {'clip' if clip else 'NULL'} FROM segments WHERE id = ?", segment):
            return Segment(**from_bytes(data), clip=None if packed is None else Clip(**from_bytes(packed)))
        raise KeyError(f"no segment {segment}")

    def add_pair(
        self,
        key: str,
        first: int,
        second: int,
        *,
        swapped: bool,
        uniform: bool = False,
        kind: str = "query",
        round: int = 0,
        step: int = 0,
        score: float = 0.0,
    ) -> int:
        """Propose a comparison; the same key again is the same pair, so that a trainer may say it twice.

        Args:
            key: The proposer's name for it.
            first: Id of a segment.
            second: Id of a segment.
            swapped: Whether the second is to be shown on the left.
            uniform: Whether it was drawn uniformly.
            kind: ``"query"`` or ``"calibration"``.
            round: Of queries; newer ones are asked first.
            step: Environment steps of the run.
            score: Of the selector; higher ones are asked first within a round.

        Returns:
            Its id.

        Raises:
            ValueError: If the key names other segments already.
        """
        with self.transaction() as db:
            if found := db.execute("SELECT id, first, second FROM pairs WHERE key = ?", (key,)).fetchone():
                if found[1:] != (first, second):
                    raise ValueError(f"pair {key!r} is of segments {found[1:]} already, not of {(first, second)}")
                return int(found[0])
            about = {"key": key, "first": first, "second": second, "swapped": swapped, "uniform": uniform}
            when = {"round": round, "step": step, "score": float(score), "created": time.time()}
            return self.insert("pairs", kind=kind, **about, **when)

    def pair(self, pair: int) -> Pair:
        """A pair by its id.

        Raises:
            KeyError: If there is none.
        """
        for row in self.rows(f"SELECT {_PAIR} FROM pairs WHERE id = ?", pair):
            return _pair(row)
        raise KeyError(f"no pair {pair}")

    def pairs(self, kind: str = "query", round: int | None = None) -> list[Pair]:
        """Pairs in the order they were proposed; of one round only, if asked."""
        where = "kind = ?1 AND (?2 IS NULL OR round = ?2)"
        return [_pair(row) for row in self.rows(f"SELECT {_PAIR} FROM pairs WHERE {where} ORDER BY id", kind, round)]

    def record(
        self,
        client: str,
        pair: int,
        answer: Answer,
        annotator: str,
        *,
        swapped: bool | None = None,
        ms: int | None = None,
        lease: str | None = None,
        goal: str | None = None,
        created: float | None = None,
    ) -> int:
        """Keep an answer; the same client id again is the same answer, so that a client may say it twice.

        Args:
            client: The client's own name for the act of answering.
            pair: Id of the pair.
            answer: The answer.
            annotator: Who gives it.
            swapped: Whether the second segment was on the left; None: as the pair has it.
            ms: How long it took.
            lease: Under which loan.
            goal: Digest of the goal it was given under; None: the present one's.
            created: Seconds since the epoch; None: now.

        Returns:
            The answer's id.

        Raises:
            KeyError: If there is no such pair.
            ValueError: If the client id was used for something else.
        """
        given = {"pair": pair, "answer": Answer(answer).value, "annotator": annotator}
        with self.transaction() as db:
            said = db.execute("SELECT id, pair, answer, annotator FROM answers WHERE client = ?", (client,)).fetchone()
            if said:
                return _same(client, said, tuple(given.values()))
            shown = self.pair(pair).swapped if swapped is None else swapped
            sql = "SELECT 1 FROM standing WHERE pair = ? AND annotator = ? AND answer != 'skip'"
            repeat = db.execute(sql, (pair, annotator)).fetchone() is not None
            circumstances = {"swapped": shown, "repeat": repeat, "ms": ms, "lease": lease}
            when = {"created": time.time() if created is None else created}
            under = {"goal": self._goal_digest() if goal is None else goal}
            return self.insert("answers", client=client, **given, **circumstances, **when, **under)

    def undo(self, client: str, label: int) -> int:
        """Take an answer back; the same client id again is the same act.

        Args:
            client: The client's own name for the act.
            label: Id of the answer.

        Returns:
            Id of the row that undoes it.

        Raises:
            KeyError: If there is no such answer, or it is taken back already.
            ValueError: If the client id was used for something else.
        """
        with self.transaction() as db:
            if said := db.execute("SELECT id, undoes FROM answers WHERE client = ?", (client,)).fetchone():
                return _same(client, said, (label,))
            sql = "SELECT pair, annotator, swapped, repeat FROM standing WHERE id = ?"
            given = db.execute(sql, (label,)).fetchone()
            if given is None:
                raise KeyError(f"no answer {label} that could be taken back")
            about = dict(zip(("pair", "annotator", "swapped", "repeat"), given, strict=True))
            rest = {"goal": self._goal_digest(), "created": time.time()}
            return self.insert("answers", client=client, answer="undo", undoes=label, **about, **rest)

    def newest(self) -> int:
        """Id of the newest answer or undoing; 0 before the first. Ids rise in the order of commits."""
        return int(self.rows("SELECT coalesce(max(id), 0) FROM answers")[0][0])

    def labels(self, after: int = 0, upto: int | None = None, *, undone: bool = False) -> list[Label]:
        """Answers that count, skips left out, oldest first.

        Args:
            after: Only those with a higher id.
            upto: As things stood when this was the newest id; None: as they stand.
            undone: Also those that had been taken back by then.
        """
        sql = f"""SELECT {_LABEL} FROM answers AS a WHERE undoes IS NULL AND answer != 'skip' AND id > ?1 AND id <= ?2
            AND (?3 OR NOT EXISTS (SELECT 1 FROM answers AS u WHERE u.undoes = a.id AND u.id <= ?2)) ORDER BY id"""
        return [_label(row) for row in self.rows(sql, after, self.newest() if upto is None else upto, undone)]

    def undone(self, upto: int) -> list[int]:
        """Ids of answers that had been taken back when this was the newest id."""
        return [label for (label,) in self.rows("SELECT undoes FROM answers WHERE undoes NOT NULL AND id <= ?", upto)]

    def progress(self, annotator: str | None = None, now: float | None = None) -> Progress:
        """How far the labelling is.

        Args:
            annotator: Who asks.
            now: Seconds since the epoch; None: the clock's.
        """
        counted, fitted = (", ".join(f"'{answer}'" for answer in some) for some in (COUNTED, FITTED))
        of_queries = "FROM standing WHERE pair IN (SELECT id FROM pairs WHERE kind = 'query')"
        sql = f"""SELECT (SELECT count(*) FROM pairs WHERE kind = 'query'),
            (SELECT count(DISTINCT pair) {of_queries} AND answer IN ({counted})),
            (SELECT count(DISTINCT pair) {of_queries} AND answer IN ({fitted})),
            (SELECT count(DISTINCT pair) {of_queries} AND answer = 'skip' AND pair NOT IN
                (SELECT pair {of_queries} AND answer IN ({counted}))),
            (SELECT count(DISTINCT pair) FROM leases WHERE until > ?1 AND pair NOT IN
                (SELECT pair {of_queries} AND answer IN ({counted}))),
            (SELECT count(*) {of_queries} AND answer IN ({counted})),
            (SELECT count(DISTINCT pair) {of_queries} AND answer IN ({counted}) AND annotator = ?2)"""
        now = time.time() if now is None else now
        pairs, answered, usable, skipped, leased, answers, mine = self.rows(sql, now, annotator)[0]
        open, budget = pairs - answered - leased, self.header.budget
        return Progress(pairs, answered, usable, skipped, open, leased, answers, mine, budget)


def _lay_out(path: Path, header: dict[str, Any]) -> None:
    """An empty store: whole or absent, since a page may be waiting to open it."""
    draft = path.with_name(f"{path.name}.new")
    for rest in path.parent.glob(f"{draft.name}*"):  # of who was killed here
        rest.unlink()
    with Database(draft) as file, file.transaction() as db:
        for statement in filter(str.strip, TABLES.split(";")):
            db.execute(statement)
        for key, value in {"format": FORMAT, **header}.items():
            file.insert("header", key=key, value=json.dumps(value))
    draft.replace(path)


def _same(client: str, said: tuple[Any, ...], asked: tuple[Any, ...]) -> int:
    """The id of what was said under a client id, if it is what is said now."""
    if said[1:] != asked:
        raise ValueError(f"client id {client!r} was used for something else")
    return int(said[0])


def _pair(row: tuple[Any, ...]) -> Pair:
    number, key, first, second, swapped, uniform, *rest = row
    return Pair(number, key, first, second, bool(swapped), bool(uniform), *rest)


def _label(row: tuple[Any, ...]) -> Label:
    label, pair, annotator, answer, swapped, repeat, *rest = row
    return Label(label, pair, annotator, Answer(answer), bool(swapped), bool(repeat), *rest)
