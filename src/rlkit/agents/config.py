"""What can be set of an agent: a dataclass each, whose field names are those of the algorithm's constructor.

The defaults are for small networks on a CPU; where they differ from Stable-Baselines3's, it is because a replay of a
million transitions or a target network renewed every 10,000 steps is made for arcade games.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(kw_only=True)
class LearnerConfig:
    """What everything that learns has.

    Attributes:
        name: In the table of agents.
        learning_rate: Of the optimizer.
        learning_rate_schedule: ``constant``, or ``linear``: falls to zero at the end of the run. Of ``ppo`` with
            ``desired_kl`` it is that which falls.
        net_arch: Widths of the hidden layers.
        activation: ``tanh`` or ``relu``.
    """

    name: str
    learning_rate: float = 3e-4
    learning_rate_schedule: str = "constant"
    net_arch: list[int] = field(default_factory=lambda: [64, 64])
    activation: str = "tanh"


@dataclass(kw_only=True)
class AgentConfig(LearnerConfig):
    """What every agent that acts has.

    Attributes:
        gamma: Discount of future rewards, in [0, 1].
    """

    gamma: float = 0.99


@dataclass(kw_only=True)
class OnPolicyConfig(AgentConfig):
    """Agents that learn from what they have just done.

    Attributes:
        n_steps: Steps of each environment between two updates.
        gae_lambda: Of generalised advantage estimation (Schulman et al. 2016), in [0, 1].
        normalize_observations: By the mean and spread of all that was seen, which are saved with the policy (Box only).
        normalize_rewards: By the running spread of the discounted return; reported returns are not.
        initial_std: Spread of the first policy's actions about their mean, in the actions' unit (Box actions only).
    """

    n_steps: int = 128
    gae_lambda: float = 0.95
    normalize_observations: bool = False
    normalize_rewards: bool = False
    initial_std: float = 1.0


@dataclass(kw_only=True)
class MinibatchConfig(OnPolicyConfig):
    """Agents that go over what they have just done several times, in minibatches.

    Attributes:
        batch_size: Steps of a minibatch.
        n_epochs: Times that a rollout is gone over.
        towers: Hidden layers of their own for each group of the environment's ``observation_groups``.
    """

    batch_size: int = 256
    n_epochs: int = 10
    ent_coef: float = 0.0
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    towers: bool = False


@dataclass(kw_only=True)
class PPOConfig(MinibatchConfig):
    """Proximal policy optimisation (Schulman et al. 2017); with action masks, masked PPO.

    Attributes:
        clip_range: By how much a probability ratio may differ from 1.
        target_kl: An update ends at 1.5 times this KL divergence; null: never early.
        desired_kl: The learning rate is raised and lowered to keep the KL divergence near it (continuous actions only);
            null: it is not.
    """

    name: str = "ppo"
    clip_range: float = 0.2
    target_kl: float | None = None
    desired_kl: float | None = None


@dataclass(kw_only=True)
class DPPOConfig(MinibatchConfig):
    """PPO with an adaptive penalty on the KL divergence in place of the clip (Heess et al. 2017).

    Attributes:
        target_kl: KL divergence of an update that is aimed at.
        kl_coef: Weight of the KL divergence at the start.
        kl_factor: By which the weight is multiplied or divided after an update.
        kl_low: Share of the target below which the weight falls.
        kl_high: Multiple of the target above which the weight rises.
        kl_hinge: Weight of the squared excess over twice the target.
    """

    name: str = "dppo"
    target_kl: float = 0.01
    kl_coef: float = 1.0
    kl_factor: float = 1.5
    kl_low: float = 0.5
    kl_high: float = 2.0
    kl_hinge: float = 50.0


@dataclass(kw_only=True)
class A2CConfig(OnPolicyConfig):
    """Synchronous advantage actor-critic (Mnih et al. 2016)."""

    name: str = "a2c"
    learning_rate: float = 7e-4
    n_steps: int = 5
    gae_lambda: float = 1.0
    ent_coef: float = 0.0
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5


@dataclass(kw_only=True)
class TRPOConfig(OnPolicyConfig):
    """Trust region policy optimisation (Schulman et al. 2015)."""

    name: str = "trpo"
    learning_rate: float = 1e-3
    batch_size: int = 128
    n_critic_updates: int = 10
    target_kl: float = 0.01


@dataclass(kw_only=True)
class OffPolicyConfig(AgentConfig):
    """Agents that learn from a replay of all they have done.

    Attributes:
        buffer_size: Transitions that are kept.
        learning_starts: Steps before the first update, taken at random.
        batch_size: Transitions an update.
        train_freq: Steps of each environment between updates.
        gradient_steps: Updates each time; -1 for as many as steps were taken.
    """

    buffer_size: int = 100_000
    learning_starts: int = 1_000
    batch_size: int = 256
    train_freq: int = 1
    gradient_steps: int = 1
    activation: str = "relu"


@dataclass(kw_only=True)
class EpsilonGreedyConfig(OffPolicyConfig):
    """Agents that learn the values of actions, and explore by chance.

    Attributes:
        target_update_interval: Steps between renewals of the target network.
        exploration_fraction: Share of the run over which the chance of a random action falls.
        exploration_final_eps: To which it falls.
    """

    learning_rate: float = 1e-3
    net_arch: list[int] = field(default_factory=lambda: [128, 128])
    batch_size: int = 64
    train_freq: int = 4
    gradient_steps: int = 2
    target_update_interval: int = 500
    exploration_fraction: float = 0.2
    exploration_final_eps: float = 0.04
    max_grad_norm: float = 10.0


@dataclass(kw_only=True)
class AuxiliaryConfig:
    """Auxiliary tasks of an agent that sees pictures (Jaderberg et al. 2016, UNREAL).

    Attributes:
        tasks: Of ``pixel_control``, ``reward_prediction`` and ``feature_control``; none: all below is without effect.
        shared: Pixel control learns from the agent's own batch, which costs a third of a DQN update more; false: from
            sequences of its own, as UNREAL does.
        steps: Of a sequence.
        sequences: An update.
        every: Updates of the agent between those of tasks with sequences of their own.
        gradient_ratio: Weights are lowered so that a task's gradient on the trunk is at most so many times the agent's;
            null: they are fixed.
        pixel_weight: Of pixel control's loss, which is summed over cells and averaged over steps.
        pixel_discount: Of its pseudo-rewards.
        pixel_cell: Pixels along a cell's edge.
        pixel_head: On the trunk's convolution ``map``, or on its ``features`` (UNREAL's, with 60 times the weights).
        reward_weight: Of reward prediction's loss.
        reward_batch: Steps an update, half of them with a reward.
        reward_observations: That it sees, the step's own the last.
        feature_weight: Of feature control's loss, which is summed over channels and averaged over steps.
        feature_discount: Of its pseudo-rewards.
        shuffled: Pseudo-rewards are dealt out anew among a batch's steps: a placebo for comparisons.
    """

    tasks: list[str] = field(default_factory=list)
    shared: bool = True
    steps: int = 20
    sequences: int = 1
    every: int = 1
    gradient_ratio: float | None = None
    pixel_weight: float = 0.01
    pixel_discount: float = 0.9
    pixel_cell: int = 4
    pixel_head: str = "map"
    reward_weight: float = 1.0
    reward_batch: int = 16
    reward_observations: int = 3
    feature_weight: float = 0.01
    feature_discount: float = 0.9
    shuffled: bool = False


@dataclass(kw_only=True)
class DQNConfig(EpsilonGreedyConfig):
    """Deep Q-learning (Mnih et al. 2015), with switches; all of them off, it is Stable-Baselines3's, bit for bit.

    Attributes:
        tau: Share of the network that goes to the target at each renewal; 1: all of it.
        n_steps: Rewards that are summed before the target network's value.
        double: The network itself chooses the action whose value the target network tells (van Hasselt et al. 2016).
        dueling: Value and advantages have a stream each (Wang et al. 2016).
        noisy: Noise in the head's weights explores, in place of random actions (Fortunato et al. 2018).
        prioritized: What was mispredicted is replayed more often (Schaul et al. 2016).
        priority_alpha: Exponent of priorities.
        priority_beta: Of the importance correction at the run's start; it rises to 1.
        per_env_epsilon: Each environment draws for itself whether its action is random; else one draw is for all.
        replay: ``standard``, Stable-Baselines3's; ``compact``, which keeps each frame once; ``auto``: standard, where
            nothing else asks for the other (priorities, action masks, auxiliary tasks).
        trunk: Of pictures: ``nature``, ``nips``, ``small``, ``grid``, or ``auto``: by their size.
        auxiliary: Auxiliary tasks.
    """

    name: str = "dqn"
    tau: float = 1.0
    n_steps: int = 1
    double: bool = False
    dueling: bool = False
    noisy: bool = False
    prioritized: bool = False
    priority_alpha: float = 0.6
    priority_beta: float = 0.4
    per_env_epsilon: bool = False
    replay: str = "auto"
    trunk: str = "auto"
    auxiliary: AuxiliaryConfig = field(default_factory=AuxiliaryConfig)


@dataclass(kw_only=True)
class QRDQNConfig(EpsilonGreedyConfig):
    """Quantile regression DQN (Dabney et al. 2018)."""

    name: str = "qrdqn"


@dataclass(kw_only=True)
class ContinuousConfig(OffPolicyConfig):
    """Off-policy agents of continuous actions."""

    net_arch: list[int] = field(default_factory=lambda: [256, 256])
    tau: float = 0.005


@dataclass(kw_only=True)
class SACConfig(ContinuousConfig):
    """Soft actor-critic (Haarnoja et al. 2018), its temperature learned."""

    name: str = "sac"


@dataclass(kw_only=True)
class TQCConfig(ContinuousConfig):
    """Truncated quantile critics (Kuznetsov et al. 2020)."""

    name: str = "tqc"
    top_quantiles_to_drop_per_net: int = 2


@dataclass(kw_only=True)
class CrossQConfig(OffPolicyConfig):
    """CrossQ: batch normalisation in place of target networks (Bhatt et al. 2024); the paper's critics are wider."""

    name: str = "crossq"
    learning_rate: float = 1e-3
    net_arch: list[int] = field(default_factory=lambda: [256, 256])
    policy_delay: int = 3


@dataclass(kw_only=True)
class TD3Config(ContinuousConfig):
    """Twin delayed deep deterministic policy gradient (Fujimoto et al. 2018).

    Attributes:
        action_noise: Standard deviation of the exploration noise, as a share of half the actions' range.
    """

    name: str = "td3"
    learning_rate: float = 1e-3
    action_noise: float = 0.1


@dataclass(kw_only=True)
class DDPGConfig(TD3Config):
    """Deep deterministic policy gradient (Lillicrap et al. 2016)."""

    name: str = "ddpg"


@dataclass(kw_only=True)
class PuePredictorConfig(LearnerConfig):
    """Gao's PUE predictor (2014) as an ensemble: it fits years of samples, and a step of its run is an update.

    Attributes:
        activation: ``tanh``, ``sigmoid`` (Gao's), ``relu`` or ``silu``.
        members: Networks in the ensemble.
        batch_size: Samples of each member's update.
        l2: Weight of the L2 penalty, over the number of training samples as Gao has it.
        weather: Of the years of data, in the order of time (they replace ``env.weather``).
        workload: Of the same years.
        days: Of each year that the plant is run for.
        train_share: Share of the time that is trained on; the rest, which comes later, is held out.
        unseen: Weather of the second hold-out: cities it has seen nothing of.
    """

    name: str = "pue_predictor"
    learning_rate: float = 2e-3
    learning_rate_schedule: str = "linear"
    net_arch: list[int] = field(default_factory=lambda: [50, 50, 50, 50, 50])
    activation: str = "tanh"
    members: int = 8
    batch_size: int = 512
    l2: float = 1e-3
    weather: list[str] = field(default_factory=lambda: ["temperate:0", "temperate:1"])
    workload: list[str] = field(default_factory=lambda: ["diurnal:0", "diurnal:1"])
    days: int = 364
    train_share: float = 0.7
    unseen: list[str] = field(default_factory=lambda: ["marine", "hot_humid"])
