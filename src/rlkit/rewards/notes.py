"""What people and processes tell each other through the comparison store, beside answers."""

from __future__ import annotations

import json
import time
from typing import Any

from rlkit.rewards.answers import Answer, Goal
from rlkit.rewards.database import Database


class Notes(Database):
    """The goal, the lesson, a blackboard, and decisions that are made once."""

    def set_goal(self, goal: Goal) -> None:
        """Say what is judged by, from now on; every later answer is kept with its digest."""
        content = json.dumps({"text": goal.text, "tie_breakers": goal.tie_breakers, "must_nots": goal.must_nots})
        with self.transaction():
            self.insert("goals", digest=goal.digest, content=content, created=time.time())

    def goal(self, digest: str | None = None) -> Goal | None:
        """The goal; or the one with this digest, which an answer was given under. None if there is none."""
        sql = "SELECT content FROM goals WHERE ?1 IS NULL OR digest = ?1 ORDER BY id DESC LIMIT 1"
        for (content,) in self.rows(sql, digest):
            found = json.loads(content)
            return Goal(found["text"], tuple(found["tie_breakers"]), tuple(found["must_nots"]))
        return None

    def _goal_digest(self) -> str:
        goal = self.goal()
        return "" if goal is None else goal.digest

    def note(self, key: str, value: Any) -> None:
        """Write on the blackboard; the newest value counts."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (key, json.dumps(value)))

    def noted(self, key: str, default: Any = None) -> Any:
        """What stands on the blackboard."""
        for (value,) in self.rows("SELECT value FROM notes WHERE key = ?", key):
            return json.loads(value)
        return default

    def once(self, key: str, value: Any) -> Any:
        """The value this key was first given: what was decided before a trainer was killed is decided so again.

        Args:
            key: Names the decision.
            value: Of the first time; JSON.
        """
        with self.transaction() as db:
            db.execute("INSERT OR IGNORE INTO decisions VALUES (?, ?)", (key, json.dumps(value)))
            return json.loads(db.execute("SELECT value FROM decisions WHERE key = ?", (key,)).fetchone()[0])

    def calibrate(self, pair: int, answer: Answer, why: str) -> None:
        """Explain a pair of kind ``"calibration"`` to people, before they are asked anything."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO calibration VALUES (?, ?, ?)", (pair, Answer(answer).value, why))

    def calibration(self) -> list[tuple[int, Answer, str]]:
        """The explained pairs: id, answer, explanation."""
        found = self.rows("SELECT pair, answer, why FROM calibration ORDER BY pair")
        return [(pair, Answer(answer), why) for pair, answer, why in found]
