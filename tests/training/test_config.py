"""The configuration: what a command line asks for, checked, and as it is written down."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from rlkit.agents import AGENTS
from rlkit.errors import UsageError
from rlkit.training.config import changed, compose_run, described, from_plain, keys, parse, to_plain
from rlkit.training.run import resume_config
from rlkit.training.tasks import ENVS


def test_the_default_is_to_bargain_with_ppo() -> None:
    config = compose_run([])
    assert (config.env.name, config.env.id, config.agent.name) == ("negotiation", "rlkit/Negotiation-v0", "ppo")
    assert config.num_envs() == config.n_envs > 100  # tuned for the pair


@pytest.mark.parametrize("agent", list(AGENTS))
@pytest.mark.parametrize("env", list(ENVS))
def test_every_choice_composes(env: str, agent: str) -> None:
    config = compose_run([f"env={env}", f"agent={agent}"])
    assert (config.env.name, config.agent.name) == (env, agent)
    assert type(config.agent) is AGENTS[agent].config and type(config.env) is ENVS[env]
    assert config.num_envs() >= 1


def test_overrides_reach_nested_keys() -> None:
    config = compose_run(
        [
            "env=gym",
            "env.id=Acrobot-v1",
            "env.kwargs.render_mode=rgb_array",
            "agent=sac",
            "agent.net_arch=[32,16]",
            "agent.learning_rate=1e-4",
            "reward.scale=2",
            "steps=1e6",
            "n_envs=1e1",
            "seed=7",
        ]
    )
    assert config.env.arguments() == {"render_mode": "rgb_array"}
    assert config.agent.net_arch == [32, 16] and config.agent.learning_rate == 1e-4
    assert config.reward.scale == 2.0 and config.seed == 7
    assert (config.steps, config.n_envs) == (1_000_000, 10)
    assert type(config.steps) is int and type(config.n_envs) is int


def test_a_minibatch_nobody_asked_for_fits_the_rollout() -> None:
    assert compose_run(["n_envs=64"]).agent.batch_size == 8 * 64
    assert compose_run(["n_envs=64", "agent.batch_size=128"]).agent.batch_size == 128


def test_arguments_for_judging_are_others() -> None:
    env = compose_run(["env.max_turns=6", "env.eval_kwargs.opponent=[linear]"]).env
    assert env.arguments()["scenarios"] == "train" and env.arguments()["max_turns"] == 6
    judging = env.arguments(judging=True)
    assert judging["scenarios"] == "test" and judging["opponent"] == ["linear"] and judging["max_turns"] == 6
    assert "eval_kwargs" not in judging and "id" not in judging


def test_values_in_hydras_grammar() -> None:
    assert parse(["a=1", "b=[x,2]", "c={u:1,v:2}", "d=null", "e='a,b'", "f=true", "g=1e-3"]) == {
        "a": 1, "b": ["x", 2], "c": {"u": 1, "v": 2}, "d": None, "e": "a,b", "f": True, "g": 1e-3,
    }  # fmt: skip


MISTAKES: dict[str, tuple[list[str], str]] = {
    "key": (["stepps=5"], r"unknown key 'stepps': did you mean 'steps'\? \(there are: checkpoint_every, device"),
    "nested key": (["agent.gama=1"], r"unknown key 'agent.gama': did you mean 'agent.gamma'\?.*agent.net_arch"),
    "key of another agent": (["agent.buffer_size=9"], r"unknown key 'agent.buffer_size'.*agent.batch_size"),
    "group of a key": (["agnet.gamma=1"], "unknown key 'agnet.gamma'.*'agent.gamma'"),
    "agent": (["agent=pp0"], r"unknown agent 'pp0': did you mean 'ppo'\? \(there are: a2c, crossq, ddpg, dppo, dqn"),
    "env": (
        ["env=negotation"],
        r"unknown env 'negotation': did you mean 'negotiation'\? \(there are: arcade, cooling, doom, gym, locomotion",
    ),
    "reward": (["reward=envv"], r"unknown reward 'envv': did you mean 'env'\?"),
    "list for a choice": (["env=[gym]"], "unknown env \"\\['gym'\\]\""),
    "no choice": (["agent=null"], "unknown agent 'None'"),
    "sweep": (["agent=ppo,dqn"], "one value each, got 'agent=ppo,dqn'"),
    "range": (["seed=range(3)"], "one value each"),
    "type": (["steps=many"], "steps='many' is not possible.*Integer"),
    "float for int": (["steps=1.5"], "steps=1.5 is not possible"),
    "null for int": (["steps=null"], "steps=None is not possible"),
    "list for number": (["agent.gamma=[1]"], r"agent.gamma=\[1\] is not possible"),
    "text for bool": (["evaluate=perhaps"], "evaluate='perhaps' is not possible"),
    "widths": (["agent.net_arch=[64,wide]"], "agent.net_arch=.* is not possible"),
    "no value": (["steps"], "expected key=value, got 'steps'; --help lists the keys"),
    "flag": (["--steps=5"], "expected key=value, got '--steps=5'"),
    "addition": (["+steps=5"], r"expected key=value, got '\+steps=5'"),
    "removal": (["~steps=5"], "expected key=value"),
    "grammar": (["env.scenarios=my file(.txt"], "cannot read 'env.scenarios=my file.*quote values"),
    "name": (["agent.name=dqn"], "unknown key 'agent.name'"),
    "zero steps": (["steps=0"], "steps must be at least 1, got 0"),
    "negative seed": (["seed=-1"], "seed must be at least 0, got -1"),
    "no environments": (["n_envs=0"], "n_envs must be at least 1, got 0"),
    "no checkpoints": (["keep_checkpoints=0"], "keep_checkpoints must be at least 1"),
    "gamma": (["agent.gamma=1.1"], "agent.gamma must be from 0 to 1, got 1.1"),
    "learning rate": (["agent.learning_rate=0"], "agent.learning_rate must be above 0, got 0.0"),
    "not a number": (["agent.learning_rate=nan"], "agent.learning_rate must be above 0, got nan"),
    "minibatch": (
        ["env=gym", "n_envs=2", "agent.n_steps=8", "agent.batch_size=64"],
        r"agent.batch_size=64 is more than a rollout has: agent.n_steps x n_envs = 16; lower the one or raise the",
    ),
    "warm-up": (["env=gym", "agent=dqn", "steps=500"], "agent.learning_starts=1000 leaves nothing of steps=500"),
    "bounds crossed": (["agent=dppo", "agent.kl_low=3"], "agent.kl_low must be below agent.kl_high, got 3.0 and 2.0"),
    "clip of another agent": (["agent=dppo", "agent.clip_range=0.2"], "unknown key 'agent.clip_range'"),
    "target": (["env=gym", "agent=dqn", "agent.target_update_interval=0"], "target_update_interval must be at least 1"),
}


LIMITS = {
    "ppo": "clip_range=0 ent_coef=-1 vf_coef=nan target_kl=0 n_epochs=0 gae_lambda=2 max_grad_norm=0 desired_kl=0",
    "dppo": "target_kl=0 kl_coef=0 kl_factor=1 kl_low=-0.1 kl_hinge=-1",
    "trpo": "n_critic_updates=0 target_kl=-1 n_steps=0",
    "dqn": "gradient_steps=0 gradient_steps=-2 train_freq=0 buffer_size=0 learning_starts=-1 gamma=nan",
    "td3": "action_noise=-0.1 tau=1.5 learning_rate=inf",
    "tqc": "top_quantiles_to_drop_per_net=25 top_quantiles_to_drop_per_net=-1",
    "crossq": "policy_delay=0 batch_size=0",
}
EACH_LIMIT = [(agent, setting) for agent, settings in LIMITS.items() for setting in settings.split()]


@pytest.mark.parametrize(("agent", "setting"), EACH_LIMIT)
def test_settings_out_of_range_name_the_range(agent: str, setting: str) -> None:
    """Before there is a run: they would end in a traceback, or in an agent that learns nothing."""
    with pytest.raises(UsageError, match=f"agent.{setting.partition('=')[0]} must"):
        compose_run(["env=gym", f"agent={agent}", f"agent.{setting}"])


@pytest.mark.parametrize("scale", ["0", "-1", "nan", "inf"])
def test_a_reward_is_scaled_by_something_above_zero(scale: str) -> None:
    with pytest.raises(UsageError, match="reward.scale must be above 0 and finite, got"):
        compose_run([f"reward.scale={scale}"])


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_mistakes_name_what_is_possible(mistake: str) -> None:
    overrides, message = MISTAKES[mistake]
    with pytest.raises(UsageError, match=message):
        compose_run(overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["env=gym", "env.id=Pendulum-v1", "agent=td3", "env.kwargs.g=9.81", "run_dir=here"],
        ["env.opponent={linear:2,boulware:1}", "env.seat=1", "agent.target_kl=0.02"],
        ["env.opponent=soft", "agent=dqn", "n_envs=3"],
    ],
)
def test_what_is_written_is_read_back(overrides: list[str]) -> None:
    config = compose_run(overrides)
    text = yaml.safe_dump(to_plain(config))
    assert from_plain(yaml.safe_load(text), "config.yaml") == config


UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "empty": ({}, "x.yaml is not the configuration of an rlkit run"),
    "no format": ({"steps": 5}, "is not the configuration of an rlkit run"),
    "text as format": ({"format": "1"}, "is not the configuration"),
    "newer": ({"format": 2}, "x.yaml has format 2, this rlkit reads up to 1: install the rlkit that wrote it"),
    "no parts": ({"format": 1}, "x.yaml does not fit this rlkit"),
    "unknown agent": ({"agent": {"name": "alphago"}}, "does not fit this rlkit: 'alphago'"),
    "unknown key": ({"speed": 3}, "does not fit this rlkit: .*speed"),
    "wrong type": ({"steps": "many"}, "does not fit this rlkit: .*many"),
    "part as a list": ({"env": ["negotiation"]}, "does not fit this rlkit"),
    "number as a key": ({3: 4}, "does not fit this rlkit"),
    "out of range": ({"steps": -5}, "steps must be at least 1, got -5"),
    "looks something up": ({"run_dir": "${oc.env:HOME}"}, "is not followed"),
}


@pytest.mark.parametrize("case", list(UNREADABLE))
def test_other_files_are_told(case: str) -> None:
    data, message = UNREADABLE[case]
    whole = {} if "format" in data or not data or data == {"steps": 5} else to_plain(compose_run([]))
    with pytest.raises(UsageError, match=message):
        from_plain({**whole, **data}, "x.yaml")


def test_help_lists_every_key_as_it_is_typed() -> None:
    """Each line can be given back."""
    for overrides in ([], ["env=gym", "agent=dqn"]):
        lines = described(overrides)
        assert compose_run([*overrides, *[line for line in lines if not line.endswith("=null")]])
        assert "steps=3000000" in lines or overrides
        assert len(lines) == len(set(lines)) > 25


def test_going_on_takes_some_keys_and_refuses_others(tmp_path: Any) -> None:
    saved = compose_run(["env=gym", "agent=dqn", "run_dir=here", "env.kwargs.sutton_barto_reward=true"])
    allowed = {"resume": "here", "steps": 200_000, "threads": 1, "evaluate": False}
    config = changed(resume_config(saved, allowed, tmp_path), allowed)
    assert (config.steps, config.threads, config.resume, config.run_dir) == (200_000, 1, "here", "here")
    same = {"agent": "dqn", "agent.gamma": 0.99, "env.kwargs.sutton_barto_reward": True, "run_dir": "here"}
    assert resume_config(saved, same, tmp_path) == saved
    for key, value in (("agent.gamma", 0.9), ("n_envs", 2), ("seed", 1), ("env.kwargs.sutton_barto_reward", False)):
        with pytest.raises(UsageError, match=f"{key}={value} cannot be changed in a run that goes on.*What can be set"):
            resume_config(saved, {key: value}, tmp_path)
    with pytest.raises(UsageError, match="unknown key 'agent.gama': did you mean 'agent.gamma'"):
        resume_config(saved, {"agent.gama": 0.99}, tmp_path)


def test_keys_of_an_environments_arguments_are_free() -> None:
    from omegaconf import OmegaConf

    node = OmegaConf.structured(compose_run(["env=gym", "env.kwargs.anything=3"]))
    assert "env.kwargs" in set(keys(node))
    with pytest.raises(UsageError, match="unknown key 'env.kwarg.anything'"):
        compose_run(["env=gym", "env.kwarg.anything=3"])


LEARNED = ["env=gym", "reward=preferences"]
REWARD_MISTAKES: dict[str, tuple[list[str], str]] = {
    "key": (["reward.lables=5"], "unknown key 'reward.lables': did you mean 'reward.labels'?"),
    "nested key": (["reward.queries.newst=5"], "did you mean 'reward.queries.newest'?"),
    "name of the group": (["reward.name=env"], "unknown key 'reward.name'"),
    "teacher": (["reward.teacher.name=orakel"], "unknown reward.teacher.name 'orakel': did you mean 'oracle'?"),
    "trait": (["reward.teacher.mistake=1.5"], "reward.teacher.mistake must be from 0.0 to 1.0, got 1.5"),
    "labels": (["reward.labels=-1"], "reward.labels must be at least 0, got -1"),
    "share": (["reward.asked_by=1.5"], "reward.asked_by must be from 0.0 to 1.0, got 1.5"),
    "ends": (["reward.ends=hidden"], "unknown reward.ends 'hidden': there are: absorbing, shown"),
    "truth": (["reward.truth=taks"], "unknown reward.truth 'taks': did you mean 'task'?"),
    "score without function": (["reward.truth=score"], "reward.truth=score needs reward.score=module:function"),
    "people see clips": (["reward.teacher.name=people", "reward.score=a:b"], "people see clips; leave it out"),
    "exploring too short": (["reward.explore_steps=100"], "with n_envs=8 it must be at least 800"),
    "exploring too long": (["steps=1000", "reward.asked_by=0.5"], "leaves no time to ask in"),
    "small pool": (["reward.pool_steps=500"], "must hold 4 segments of reward.segment=50 steps of each of 8"),
    "no agent": (
        ["env=cooling", "agent=pue_predictor"],
        "agent=pue_predictor chooses no actions that could be judged",
    ),
}


@pytest.mark.parametrize("case", list(REWARD_MISTAKES))
def test_mistakes_about_rewards_are_told(case: str) -> None:
    settings, message = REWARD_MISTAKES[case]
    with pytest.raises(UsageError, match=re.escape(message)):
        compose_run([*LEARNED, *settings])


@pytest.mark.parametrize("env", list(ENVS))
@pytest.mark.parametrize("reward", ["preferences", "preferences_paper"])
def test_preferences_compose_with_every_environment(env: str, reward: str) -> None:
    config = compose_run([f"env={env}", f"reward={reward}", "steps=3000000"])
    assert config.reward.name == reward
    assert config.reward.explore(config.steps, config.num_envs()) < config.steps


def test_the_papers_mode_is_the_papers() -> None:
    """Table 1 of the facts, row by row (Christiano et al. 2017)."""
    reward = compose_run(["env=gym", "reward=preferences_paper", "steps=1e7"]).reward
    assert (reward.segment, reward.pretraining_labels, reward.anneal(10**7), reward.anneal_stairs) == (
        25,
        0.25,
        2_000_000,
        0,
    )
    assert (reward.entropy, reward.relabel, reward.reset_critic, reward.asked_by) == (False, False, False, 1.0)
    queries, model = reward.queries, reward.model
    assert (queries.method, queries.candidates, queries.newest) == ("disagreement", 10, 0)
    assert (queries.diverse, queries.uniform_share) == (False, 0.0)
    assert (model.members, model.bootstrap, model.noise, model.adapt_l2, model.dropout) == (3, True, 0.1, True, 0.5)
    assert (model.net_arch, model.activation, model.reward_std, model.keep) == ([64, 64], "leaky_relu", 1.0, 3_000)
    assert (model.smoothing, model.crop, model.filter) == (0.0, 1.0, False)


def test_rewards_with_parts_of_their_own_are_written_and_read() -> None:
    config = compose_run([*LEARNED, "reward.teacher.name=mixed", "reward.model.net_arch=[8]", "reward.labels=9"])
    again = from_plain(yaml.safe_load(yaml.safe_dump(to_plain(config))), "here")
    assert again == config and again.reward.teacher.name == "mixed" and again.reward.model.net_arch == [8]


def test_the_tasks_own_reward_is_scaled_and_a_learned_one_is_not() -> None:
    doom = ["env=doom", "agent=dqn"]
    scales = [compose_run([*doom, *more]).reward.scale for more in ([], ["reward=preferences"], ["reward.scale=2"])]
    assert scales == [0.01, 1.0, 2.0]


def test_a_body_has_settings_of_its_own_and_the_command_line_the_last_word() -> None:
    walker, quadruped = (compose_run(["env=locomotion", f"env.body={body}"]) for body in ("walker", "quadruped"))
    assert quadruped.env.curriculum == "adaptive" and quadruped.agent.n_steps < walker.agent.n_steps
    assert compose_run(["env=locomotion"]).agent == walker.agent  # which the task's own settings are for
    changed = compose_run(["env=locomotion", "env.body=quadruped", "agent.n_steps=32", "env.curriculum=none"])
    assert (changed.agent.n_steps, changed.env.curriculum, changed.steps) == (32, "none", quadruped.steps)
    assert compose_run(["env=locomotion", "env.body=quadruped", "agent=sac"]).env.curriculum == walker.env.curriculum
    assert compose_run(["env=locomotion", "env.body={mjcf:my.xml,feet:[a]}"]).agent == walker.agent
    narrow = compose_run(["env=locomotion", "env.body=quadruped", "env.limits={gap_length_m:[0.1,0.5]}"])
    assert narrow.env.limits == {"gap_length_m": [0.1, 0.5]} and narrow.env.reward == quadruped.env.reward
