"""The console commands; `scripts/` has the same as files."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rlkit.errors import UsageError, nearest

TRAIN_HELP = """\
Train an agent.    python scripts/train.py [key=value ...]      (rlkit-train is the same)

  env=negotiation                       bargain over books, hats and balls (the default)
  env=gym env.id=CartPole-v1            any environment registered with Gymnasium; env.kwargs.<name>= its arguments
  env=sprite                            pixels; so are env=minatar env=arcade env=doom (extras of these names)
  pixels=true                           any other environment as it is drawn: small, grey, the last four pictures
  agent=ppo                             {agents}
  reward=preferences                    learned from comparisons of clips (docs/preferences.md);
                                        reward.teacher.name=people asks people, by scripts/label.py
  steps=1e6  seed=3  n_envs=64          how long, which random numbers, environments at once
  resume=runs/negotiation-ppo/<run>     go on where a run was stopped, bit for bit

Keys of this run (others belong to other choices of env= and agent=):
{keys}

Ctrl-C stops with a checkpoint. Watch with: tensorboard --logdir runs
"""

EVALUATE_HELP = """\
Judge the agent of a run.    python scripts/evaluate.py run=<folder> [key=value ...]

  opponents=[boulware,bluffer]     negotiation: whom it meets; default: every scripted bot
  scenarios=test                   negotiation: all, train, test, or a file of instances (selfplay.txt's syntax)
  bots=false                       negotiation: leave out the scripted bots' own rows
  controllers=[guideline36]        cooling: whom it is held against; default: every controller
  safety=standard                  cooling: judge it behind the safety layers (docs/cooling-safety.md)
  bounds=false                     cooling: leave out perfect-model control, which takes most of the time
  probes=true                      locomotion: probe it too (friction, rumble strips, mass, inclines, pushes)
  episodes=100                     cooling, locomotion, environments without a table of their own, and score=: how many
  score=module:function            sum that over episodes too, a score as reward.score= takes it (docs/preferences.md)
  save=false                       true: replace the run's evaluation.json
  video=clip.gif                   film an episode too: .gif, .webp, or .mp4 (extra [video])
  video_seconds=20                 how much of it
  video_size=[640,360]             environments that take width and height: in pixels
"""

PLAY_HELP = """\
Bargain with the agent of a run in the terminal.    python scripts/play.py run=<folder> [key=value ...]

  run=<folder>       or opponent=<name of a scripted bot>
  games=0            stop after so many; 0: until you quit
  seat=random        0: you move first, 1: second
  scenarios=all      all, train, test, or a file of instances
  seed=0             of the instances drawn
"""

REPORT_HELP = """\
Compare runs.    python scripts/report.py runs/... [runs/... ...] [key=value ...]

  output=comparison                   folder that is written
  figures=[negotiation/utility]       columns of progress.csv; default: {figures}

Runs that differ in the seed alone are one group: interquartile mean and 95 % bootstrap interval.
Writes comparison.png, comparison.md and comparison.json.
"""

STUDY_HELP = """\
Many runs, and a page with what came of them.    python scripts/study.py {names} [key=value ...]

  folder=runs/<study>              where trials are, each a run folder; what is done stays, what was stopped goes on
  output=docs/results/<study>.md   the page, written anew after every trial; beside it pictures, and all outcomes as
                                   JSON, which is read too: what it has is not done again
  stages=[sprite,minatar]          of these alone, as each study has them:
{stages}
  arms=[dqn,pixel_control]         of these alone
  seeds=5                          at most so many of each arm
  steps=2000                       of every run, to try things out (in another folder=)

Trials are done one after another, on one core. Started once more, for another core, it takes those that no other is
at.
"""

LABEL_HELP = """\
Ask people which of two clips is better.    python scripts/label.py run=<folder> [key=value ...]

  host=127.0.0.1     address to listen on; 0.0.0.0 lets other computers in
  port=8700          0: any that is free
  token=true         false: no link is needed (host= of this computer only)
  names=[label.lan]  names of this computer that browsers may use, beside its host name and its addresses
  cache_mb=512       of rendered clips on the disk
  lease_s=120        how long a pair is kept for who looks at it

The run trains with reward=preferences reward.teacher.name=people; it goes on meanwhile, or later (docs/labelling.md).
"""

EXPORT_HELP = """\
Write the acting network of a run as one file.    python scripts/export.py run=<folder> [key=value ...]

  format=torchscript     or onnx (extra [onnx])
  output=<file>          default: policy.pt or policy.onnx in the run folder

Observations in, as the environment shows them; a value of each action out. What was written is checked.
"""

BENCHMARK_HELP = """\
Speed ratios.    python scripts/benchmark.py {names} [repeats=5]
"""


def train_main(arguments: Sequence[str] | None = None) -> int:
    """``rlkit-train``."""
    return _command(_train, arguments)


def evaluate_main(arguments: Sequence[str] | None = None) -> int:
    """``rlkit-evaluate``."""
    return _command(_evaluate, arguments)


def play_main(arguments: Sequence[str] | None = None) -> int:
    """``rlkit-play``."""
    return _command(_play, arguments)


def label_main(arguments: Sequence[str] | None = None) -> int:
    """``rlkit-label``."""
    return _command(_label, arguments)


def report_main(arguments: Sequence[str] | None = None) -> int:
    """``rlkit-report``."""
    return _command(_report, arguments)


def study_main(arguments: Sequence[str] | None = None) -> int:
    """``rlkit-study``."""
    return _command(_study, arguments)


def export_main(arguments: Sequence[str] | None = None) -> int:
    """``rlkit-export``."""
    return _command(_export, arguments)


def benchmark_main(arguments: Sequence[str] | None = None) -> int:
    """``rlkit-benchmark``."""
    return _command(_benchmark, arguments)


def _command(command: Callable[[list[str]], int], arguments: Sequence[str] | None) -> int:
    """Run a command: a user's mistake is one message on stderr and exit code 2."""
    # PyTorch's threads wait asleep: spinning, two runs that share the cores took 6.3 times as long, and one alone is no
    # faster. Read when PyTorch is loaded, which no command does before this line.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return command(given)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "rlkit":
            raise
        print(f"error: {error.name} is missing: install rlkit with its extra [train]", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _train(arguments: list[str]) -> int:
    from rlkit.training import config as configuration
    from rlkit.training.folder import RunFolder

    if _asks_help(arguments):
        print(_train_help([argument for argument in arguments if argument not in ("-h", "--help")]))
        return 0
    asked = configuration.parse(arguments)
    if asked.get("resume") is not None:
        from rlkit.training.run import resume_config

        path = Path(str(asked["resume"])).expanduser()
        saved = RunFolder(path).read_config()
        config = configuration.changed(resume_config(saved, asked, path), asked)
    else:
        config = configuration.compose_run(arguments)

    from rlkit.training.run import Stopped, train

    threading.excepthook = _tell_of_thread
    try:
        folder = train(config)
    except Stopped as stop:
        print(f"Stopped. Go on with: python scripts/train.py resume={stop.folder.path}", file=sys.stderr)
        return 128 + stop.signal
    print(f"Done: {folder.path} has curves.png, report.md and policy/ (rlkit.load_policy).", file=sys.stderr)
    return 0


def _tell_of_thread(failure: threading.ExceptHookArgs) -> None:
    """TensorBoard writes in a thread: what stops that is raised again, and told, where the next figure is logged."""
    if not issubclass(failure.exc_type, OSError):
        threading.__excepthook__(failure)


def _train_help(arguments: list[str]) -> str:
    from rlkit.agents import TRAINABLE
    from rlkit.training import config as configuration

    shown = configuration.described(arguments)
    return TRAIN_HELP.format(agents=" ".join(TRAINABLE), keys="\n".join(f"  {line}" for line in shown))


def _evaluate(arguments: list[str]) -> int:
    from rlkit.training.evaluation import evaluate_run, every_setting, save_judgement, settings_of
    from rlkit.training.film import VIDEO, read_film
    from rlkit.training.folder import RunFolder

    settings = _settings(arguments, EVALUATE_HELP, ("run", "save", "score", *VIDEO, *every_setting()))
    if settings is None:
        return 0

    folder = RunFolder(str(_required(settings, "run", "run=<run folder>")))
    save = settings.pop("save", False)
    if not isinstance(save, bool):
        raise UsageError(f"save must be true or false, got {save!r}")
    film = read_film({name: settings.pop(name) for name in VIDEO if name in settings})
    score = settings.pop("score", None)
    of_score = dict(settings)
    if score is not None and "episodes" not in settings_of(folder.read_config().env):
        settings.pop("episodes", None)  # which are the score's alone
    judgement, tables = evaluate_run(folder, settings)
    if score is not None:
        from rlkit.training.scoring import score_run

        judgement["scored"], line = score_run(folder, str(score), of_score)
        tables += line
    print(tables)
    if save:
        try:
            save_judgement(folder.evaluation, judgement)
        except OSError as error:
            raise UsageError(f"cannot write {folder.evaluation}: {error.strerror or error}") from error
    if film is not None:
        film.make(folder)
        print(f"Written to {film.path}", file=sys.stderr)
    return 0


def _play(arguments: list[str]) -> int:
    allowed = ("run", "opponent", "games", "seat", "scenarios", "seed")
    settings = _settings(arguments, PLAY_HELP, allowed)
    if settings is None:
        return 0
    from rlkit.envs.negotiation.play import play

    if ("run" in settings) == ("opponent" in settings):
        raise UsageError("give either run=<run folder> or opponent=<scripted bot>")
    if "opponent" in settings:
        return play(settings.pop("opponent"), **settings)
    run = str(settings.pop("run"))
    return play(run, rules=_rules_of_run(run), **settings)


def _rules_of_run(path: str) -> dict[str, Any]:
    """The rules that the agent of a run learned to play by."""
    from rlkit.envs.negotiation.evaluation import RULES
    from rlkit.training.folder import RunFolder

    config = RunFolder(path).read_config()
    if config.env.name != "negotiation":
        raise UsageError(f"{path} is a run of {config.env.id}: only agents of env=negotiation bargain")
    if config.env.pixels:
        raise UsageError(f"{path} is a run whose agent sees pixels: in the terminal there are none")
    return {key: value for key, value in config.env.arguments().items() if key in RULES}


def _label(arguments: list[str]) -> int:
    import dataclasses

    from rlkit.rewards.page.serve import PageConfig, serve

    kinds = {field.name: type(field.default) for field in dataclasses.fields(PageConfig)}
    settings = _settings(arguments, LABEL_HELP, ("run", *kinds))
    if settings is None:
        return 0
    run = Path(str(_required(settings, "run", "run=<run folder>")))
    names = settings.get("names", [])
    settings["names"] = tuple(map(str, [names] if isinstance(names, str) else names))
    for key, value in settings.items():
        accepted = (int, float) if kinds[key] is float else (kinds[key],)
        if type(value) not in accepted:
            raise UsageError(f"{key} must be a {kinds[key].__name__}, got {value!r}")
    serve(run, PageConfig(**settings))
    return 0


def _report(arguments: list[str]) -> int:
    from rlkit.training.report import FIGURES, compare

    if not arguments:
        arguments = ["--help"]
    paths = [argument for argument in arguments if "=" not in argument and argument not in ("-h", "--help")]
    rest = [argument for argument in arguments if argument not in paths]
    settings = _settings(rest, REPORT_HELP.format(figures=f"[{','.join(FIGURES)}]"), ("output", "figures"))
    if settings is None:
        return 0
    if not paths:
        raise UsageError("no run folder is given; --help tells more")
    figures = settings.get("figures", FIGURES)
    output = Path(str(settings.get("output", "comparison")))
    print(compare(paths, output, [figures] if isinstance(figures, str) else list(figures)))
    print(f"Written to {output}/", file=sys.stderr)
    return 0


def _study(arguments: list[str]) -> int:
    import importlib

    from rlkit.studies import STUDIES

    names = [argument for argument in arguments if "=" not in argument and argument not in ("-h", "--help")]
    modules: dict[str, Any] = {name: importlib.import_module(f"rlkit.studies.{name}") for name in STUDIES}
    stages = "\n".join(f"      {name}: {' '.join(module.STAGES)}" for name, module in modules.items())
    help_text = STUDY_HELP.format(names="|".join(STUDIES), stages=stages)
    settings = _settings(
        [argument for argument in arguments if argument not in names] if names else ["--help"],
        help_text,
        ("folder", "output", "stages", "arms", "seeds", "steps"),
    )
    if settings is None:
        return 0
    if len(names) != 1 or names[0] not in STUDIES:
        raise UsageError(f"unknown study {' '.join(names)!r}: {nearest(names[0], STUDIES)}")
    module = modules[names[0]]
    from rlkit.studies.outcomes import Outcomes
    from rlkit.studies.trials import check_done, run_trials
    from rlkit.training.run import Stopped

    label = names[0].replace("_", "-")
    study, output = (
        Path(str(settings.get(key, place))).expanduser()
        for key, place in (("folder", f"runs/{label}"), ("output", f"docs/results/{label}.md"))
    )
    numbers = {key: _count(settings, key) for key in ("seeds", "steps")}
    trials = module.trials(_names(settings, "stages") or list(module.STAGES), _names(settings, "arms"), **numbers)

    def tell(message: str) -> None:
        print(message, file=sys.stderr, flush=True)

    everything = module.trials(list(module.STAGES), None, None, numbers["steps"])  # the page tells of all that is there
    known = Outcomes(study, output).kept(everything)
    check_done((trial for trial in everything if trial not in known), study)
    try:
        elsewhere = run_trials(trials, study, tell, lambda: module.gather(everything, study, output), known)
    except Stopped as stop:
        tell("Stopped. The same command goes on.")
        return 128 + stop.signal
    module.gather(everything, study, output)
    tell(f"Written to {output}" + (f"; other processes are at {len(elsewhere)} trials" if elsewhere else ""))
    return 0


def _names(settings: dict[str, Any], key: str) -> list[str] | None:
    """A list of names, or one alone; None if there is none."""
    given = settings.get(key)
    return given if given is None or isinstance(given, list) else [str(given)]


def _count(settings: dict[str, Any], key: str) -> int | None:
    """A whole number above 0; None if it was not given."""
    given = settings.get(key)
    if given is not None and (isinstance(given, bool) or not isinstance(given, int) or given < 1):
        raise UsageError(f"{key} must be a whole number >= 1, got {given!r}")
    return given


def _export(arguments: list[str]) -> int:
    settings = _settings(arguments, EXPORT_HELP, ("run", "format", "output"))
    if settings is None:
        return 0
    from rlkit.agents.export import export_policy

    run = str(_required(settings, "run", "run=<run folder>"))
    path, difference = export_policy(run, settings.get("output"), str(settings.get("format", "torchscript")))
    print(f"{path}: values differ by at most {difference:.1e} from the policy's", file=sys.stderr)
    return 0


def _benchmark(arguments: list[str]) -> int:
    from rlkit.benchmarks import BENCHMARKS

    help_text = BENCHMARK_HELP.format(names="|".join(BENCHMARKS))
    names = [argument for argument in arguments if "=" not in argument and argument not in ("-h", "--help")]
    if _asks_help(arguments) or not names:
        print(help_text)
        return 0
    settings = _settings([argument for argument in arguments if "=" in argument], help_text, ("repeats",)) or {}
    import importlib

    for name in names:
        if name not in BENCHMARKS:
            raise UsageError(f"unknown benchmark {name!r}: {nearest(name, BENCHMARKS)}")
        importlib.import_module(f"rlkit.benchmarks.{name}").main(**settings)
    return 0


def _asks_help(arguments: Sequence[str]) -> bool:
    return bool({"-h", "--help"} & set(arguments))


def _settings(arguments: list[str], help_text: str, allowed: Sequence[str]) -> dict[str, Any] | None:
    """``key=value`` arguments as a dictionary; None when help was asked for, and given."""
    if _asks_help(arguments):
        print(help_text)
        return None
    from rlkit.training.config import parse

    settings = parse(arguments)
    for key in settings:
        if key not in allowed:
            raise UsageError(f"unknown key {key!r}: {nearest(key, allowed)}")
    return settings


def _required(settings: dict[str, Any], key: str, example: str) -> Any:
    if key not in settings:
        raise UsageError(f"{example} is missing; --help tells more")
    return settings.pop(key)
