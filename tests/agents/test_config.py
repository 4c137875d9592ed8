"""What can be set of an agent is what its algorithm takes."""

from __future__ import annotations

import inspect
from dataclasses import fields, is_dataclass

import pytest

from rlkit.agents import AGENTS, NOT_PASSED_ON, load_class

CLASSES = [
    pytest.param(spec.config, path, id=f"{name}: {path}")
    for name, spec in AGENTS.items()
    for path in (spec.algorithm, spec.masked)
    if path
]


@pytest.mark.parametrize(("config", "path"), CLASSES)
def test_every_setting_is_an_argument_of_the_algorithm(config: type, path: str) -> None:
    """An option that does nothing would be silently ignored otherwise."""
    taken = {name for kind in load_class(path).__mro__ for name in inspect.signature(kind.__init__).parameters}
    passed = {f.name for f in fields(config)} - set(NOT_PASSED_ON)
    assert passed <= taken
    assert len(passed) >= 3


@pytest.mark.parametrize("name", list(AGENTS))
def test_every_agent_has_a_name_and_defaults(name: str) -> None:
    config = AGENTS[name].config()
    assert is_dataclass(config) and config.name == name
    assert 0 < config.learning_rate < 0.1 and 0 <= config.gamma <= 1


def test_settings_are_not_shared() -> None:
    one, other = AGENTS["ppo"].config(), AGENTS["ppo"].config()
    one.net_arch.append(3)
    assert other.net_arch == [64, 64]
