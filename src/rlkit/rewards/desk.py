"""`Desk`: lends pairs to people, and takes their answers."""

from __future__ import annotations

import contextlib
import hashlib
import random
import secrets
import time
from collections.abc import Callable
from typing import Any

from rlkit.rewards.answers import Answer, Pair, Shown
from rlkit.rewards.store import ComparisonStore

REPEAT_GAP = 5  # answers that lie between two of one person about one pair, at least
FORGOTTEN_S = 7 * 86_400.0  # when a lease that ran out is removed


class UnknownLease(KeyError):
    """No such loan to this person."""


class Conflict(ValueError):
    """Under this loan another answer was given."""


class Desk:
    """Lends a pair to one person at a time. Several people and several of its kind may share a store.

    Args:
        store: Of the comparisons.
        lease_s: How long a pair is kept for who looks at it, seconds. An answer that comes later is taken all the same.
        repeat_share: Chance that a person is shown an earlier pair again, its sides swapped.
        overlap_share: Chance that a person is shown a pair that somebody else has answered.
        seed: Of these chances; None: from the operating system.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        store: ComparisonStore,
        *,
        lease_s: float = 120.0,
        repeat_share: float = 0.05,
        overlap_share: float = 0.1,
        seed: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store, self.lease_s, self.clock = store, lease_s, clock
        self._shares = repeat_share, overlap_share
        self._random = random.Random(seed)

    def next(self, annotator: str, count: int = 1, client: str | None = None) -> list[Shown]:
        """Lend pairs, newest round first; the same client id again is the same request, whose reply was lost.

        Args:
            annotator: To whom.
            count: How many.
            client: The client's own name for the request; None: it is not repeated.

        Returns:
            As many as there are.
        """
        lent: list[Shown] = []
        with self.store.transaction() as db:
            db.execute("DELETE FROM leases WHERE until < ?", (self.clock() - FORGOTTEN_S,))
            for number in range(count):
                lease = _name(client or secrets.token_urlsafe(12), number)
                with contextlib.suppress(UnknownLease):
                    lent.append(self._lease(annotator, lease))
                    continue
                found = self._open(annotator)
                if not found:  # and no repeats either: who waits asks again every moment, and would get them all
                    break
                pair, swapped, repeat = self._instead(annotator) or found
                lent.append(self._lend(lease, annotator, pair, swapped, repeat))
        return lent

    def _instead(self, annotator: str) -> tuple[Pair, bool, bool] | None:
        """Now and then a pair that was answered before, by this person or by another, among those that were not."""
        repeat_share, overlap_share = self._shares
        found = self._repeat(annotator) if self._random.random() < repeat_share else None
        return found or (self._overlap(annotator) if self._random.random() < overlap_share else None)

    def held(self, annotator: str) -> list[Shown]:
        """What a person has been lent and not answered, oldest first; for a page that was loaded again."""
        sql = """SELECT lease, pair, swapped, repeat, until FROM leases AS l WHERE annotator = ?1 AND until > ?2
            AND NOT EXISTS (SELECT 1 FROM standing AS s WHERE s.lease = l.lease) ORDER BY until"""
        found = self.store.rows(sql, annotator, self.clock())
        return [
            Shown(lease, self.store.pair(pair), bool(swapped), bool(repeat), until)
            for lease, pair, swapped, repeat, until in found
        ]

    def renew(self, annotator: str, lease: str) -> bool:
        """Keep a pair for longer; False if somebody else has been asked meanwhile.

        Raises:
            UnknownLease: If there is none.
        """
        with self.store.transaction() as db:
            shown = self._lease(annotator, lease)
            sql = "SELECT 1 FROM leases WHERE pair = ? AND lease != ? AND until > ?"
            if shown.until <= self.clock() and db.execute(sql, (shown.pair.id, lease, self.clock())).fetchone():
                return False
            db.execute("UPDATE leases SET until = ? WHERE lease = ?", (self.clock() + self.lease_s, lease))
            return True

    def release(self, annotator: str, lease: str) -> None:
        """Give a pair back unanswered.

        Raises:
            UnknownLease: If there is none.
        """
        with self.store.transaction() as db:
            self._lease(annotator, lease)
            db.execute("UPDATE leases SET until = ? WHERE lease = ?", (self.clock(), lease))

    def answer(self, client: str, annotator: str, lease: str, answer: Answer, ms: int | None = None) -> int:
        """Take an answer; the same client id again is the same answer.

        Args:
            client: The client's own name for the act of answering.
            annotator: Who answers.
            lease: Under which loan.
            answer: About the pair, not about the screen (:meth:`Answer.of_side` turns a side into one).
            ms: How long it took.

        Returns:
            The answer's id; it is on the disk.

        Raises:
            UnknownLease: If there is no such loan to this person.
            Conflict: If under it, or under the client id, another answer was given.
        """
        with self.store.transaction() as db:
            shown = self._lease(annotator, lease)
            taken = db.execute("SELECT client FROM standing WHERE lease = ?", (lease,)).fetchone()
            if taken and taken[0] != client:
                raise Conflict(f"another answer was given under lease {lease}")
            try:
                label = self.store.record(
                    client,
                    shown.pair.id,
                    answer,
                    annotator,
                    swapped=shown.swapped,
                    ms=ms,
                    lease=lease,
                    created=self.clock(),
                )
            except ValueError as error:
                raise Conflict(str(error)) from error
            db.execute("UPDATE leases SET until = min(until, ?) WHERE lease = ?", (self.clock(), lease))
        return label

    def undo(self, client: str, annotator: str) -> Shown | None:
        """Take back a person's newest answer, and lend them the pair again; the same client id again is the same act.

        Returns:
            The pair, as it was shown; None if there is nothing to take back.

        Raises:
            Conflict: If the client id was used for an answer.
        """
        lease = _name(client, 0)
        with self.store.transaction() as db:
            if db.execute("SELECT 1 FROM answers WHERE client = ?", (client,)).fetchone():
                try:
                    return self._lease(annotator, lease)
                except UnknownLease:
                    raise Conflict(f"client id {client!r} was used for an answer") from None
            sql = "SELECT id, pair, swapped, repeat FROM standing WHERE annotator = ? ORDER BY id DESC LIMIT 1"
            for label, pair, swapped, repeat in db.execute(sql, (annotator,)):
                self.store.undo(client, label)
                return self._lend(lease, annotator, self.store.pair(pair), bool(swapped), bool(repeat))
        return None

    def lent(self, annotator: str, lease: str) -> Shown:
        """What a person was lent under a lease, also when its time is over.

        Raises:
            UnknownLease: If there is none.
        """
        return self._lease(annotator, lease)

    def _lend(self, lease: str, annotator: str, pair: Pair, swapped: bool, repeat: bool) -> Shown:
        until = self.clock() + self.lease_s
        about = {"pair": pair.id, "annotator": annotator, "swapped": swapped, "repeat": repeat}
        self.store.insert("leases", lease=lease, until=until, **about)
        return Shown(lease, pair, swapped, repeat, until)

    def _lease(self, annotator: str, lease: str) -> Shown:
        sql = "SELECT pair, swapped, repeat, until FROM leases WHERE lease = ? AND annotator = ?"
        for pair, swapped, repeat, until in self.store.rows(sql, lease, annotator):
            return Shown(lease, self.store.pair(pair), bool(swapped), bool(repeat), until)
        raise UnknownLease(f"no lease {lease!r} to {annotator!r}")

    def _open(self, annotator: str) -> tuple[Pair, bool, bool] | None:
        """A pair that nobody has answered and nobody is looking at, and that this person has not skipped."""
        sql = """SELECT id FROM pairs AS p WHERE kind = 'query'
            AND NOT EXISTS (SELECT 1 FROM standing AS s WHERE s.pair = p.id AND (answer != 'skip' OR annotator = ?1))
            AND NOT EXISTS (SELECT 1 FROM leases AS l WHERE l.pair = p.id AND until > ?2)
            ORDER BY round DESC, score DESC, id LIMIT 1"""
        return self._found(sql, annotator, self.clock())

    def _repeat(self, annotator: str) -> tuple[Pair, bool, bool] | None:
        """A pair that this person answered once, some time ago, to be shown the other way round."""
        sql = """SELECT pair, swapped FROM standing AS s WHERE annotator = ?1 AND answer != 'skip'
            AND (SELECT count(*) FROM standing AS o WHERE o.annotator = ?1 AND o.pair = s.pair) = 1
            AND NOT EXISTS (SELECT 1 FROM leases AS l WHERE l.pair = s.pair AND l.until > ?2)
            AND (SELECT count(*) FROM standing AS o WHERE o.annotator = ?1 AND o.id > s.id) >= ?3"""
        found = self.store.rows(sql, annotator, self.clock(), REPEAT_GAP)
        if not found:
            return None
        pair, swapped = self._random.choice(found)
        return self.store.pair(pair), not swapped, True

    def _overlap(self, annotator: str) -> tuple[Pair, bool, bool] | None:
        """The newest pair that one other person has answered, and this one has not seen."""
        sql = """SELECT pair FROM standing AS s WHERE answer != 'skip'
            AND pair IN (SELECT id FROM pairs WHERE kind = 'query')
            AND (SELECT count(DISTINCT annotator) FROM standing AS o WHERE o.pair = s.pair AND answer != 'skip') = 1
            AND NOT EXISTS (SELECT 1 FROM standing AS o WHERE o.pair = s.pair AND o.annotator = ?1)
            AND NOT EXISTS (SELECT 1 FROM leases AS l WHERE l.pair = s.pair AND l.until > ?2)
            ORDER BY id DESC LIMIT 1"""
        return self._found(sql, annotator, self.clock())

    def _found(self, sql: str, *values: Any) -> tuple[Pair, bool, bool] | None:
        for (number,) in self.store.rows(sql, *values):
            pair = self.store.pair(number)
            return pair, pair.swapped, False
        return None


def _name(client: str, number: int) -> str:
    """Of a lease: the same for the same request."""
    return hashlib.sha256(f"{client} {number}".encode()).hexdigest()[:20]
