"""The package as its users meet it: what an import costs, and examples that do what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rlkit
from conftest import ROOT

MODULES = ["rlkit", *(module.name for module in pkgutil.walk_packages(rlkit.__path__, "rlkit."))]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def fresh(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.strip()


def test_importing_loads_nothing_heavy() -> None:
    """The environments are for those who have no PyTorch, and registering them takes no compiler."""
    heavy = [
        "torch",
        "stable_baselines3",
        "sb3_contrib",
        "matplotlib",
        "numba",
        "mujoco",
        "tensorboard",
        "hydra",
        "PIL",
    ]
    assert fresh(f"import sys, rlkit; print(sorted(set({heavy}) & set(sys.modules)))") == "[]"


def test_environments_step_without_what_training_needs() -> None:
    code = """
import sys
for name in ("torch", "stable_baselines3", "sb3_contrib", "matplotlib", "tensorboard", "hydra", "omegaconf",
             "safetensors", "tqdm", "PIL", "pettingzoo"):
    sys.modules[name] = None
import gymnasium, rlkit
for env_id in rlkit.envs.ENVIRONMENTS:
    env, envs = gymnasium.make(env_id), gymnasium.make_vec(env_id, num_envs=3)
    for each in (env, envs):
        each.reset(seed=0)
        each.step(each.action_space.sample())
print("stepped")
"""
    assert fresh(code) == "stepped"


def test_commands_say_what_is_missing() -> None:
    """With the base dependencies alone."""
    code = """
import sys
for name in ("torch", "hydra", "omegaconf", "matplotlib"):
    sys.modules[name] = None
from rlkit.cli import train_main, evaluate_main, report_main
print(train_main(["env=gym"]), evaluate_main(["run=x"]), report_main(["x"]))
"""
    assert fresh(code) == "2 2 2"


def test_load_policy_is_there_and_other_names_are_not() -> None:
    assert "load_policy" in rlkit.__all__ and callable(rlkit.load_policy)
    with pytest.raises(AttributeError, match="module 'rlkit' has no attribute 'load_polici'"):
        _ = rlkit.load_polici


def test_version_is_the_distributions() -> None:
    from importlib.metadata import version

    assert version("rlkit-toolkit") == rlkit.__version__


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples_in_docstrings() -> None:
    finder = doctest.DocTestFinder()
    examples = sum(len(test.examples) for name in MODULES for test in finder.find(importlib.import_module(name)))
    assert examples >= 20


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_in_documents(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All Python blocks of a document, in one namespace, in an empty folder."""
    text = document.read_text(encoding="utf-8")
    blocks = [(text[: found.start(1)].count("\n"), found.group(1)) for found in BLOCK.finditer(text)]
    assert blocks or document.name != "README.md" or not text
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__example__"}
    for line, block in blocks:
        exec(compile("\n" * line + block, str(document), "exec"), namespace)


def test_links_in_documents_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document}: {target}"
