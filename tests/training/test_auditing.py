"""What an audit tells where it cannot show clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rlkit.training import auditing
from rlkit.training.audit_report import markdown
from rlkit.training.config import compose_run
from rlkit.training.folder import RunFolder


def test_why_there_are_no_clips_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: Any, **more: Any) -> None:
        raise ImportError("pygame is not installed")

    monkeypatch.setattr(auditing, "make_env", broken)
    found: dict[str, Any] = {"loved": [{"number": 0}]}
    config = compose_run(["env=gym", "env.id=Pendulum-v1"])
    assert auditing._film(config, RunFolder(tmp_path), None, found) == []  # type: ignore[arg-type]
    told = markdown(
        found
        | {"labels": {"asked_for": 1, "answered": 1, "fitted": 1}, "fits": 1, "held_against": "task"}
        | {"alarms": [], "verdict": "agrees"}
    )
    assert "No clips: pygame is not installed" in told
