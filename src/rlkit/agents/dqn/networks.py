"""Q-networks: Stable-Baselines3's, with a choice of trunk for pictures and of head."""

from __future__ import annotations

from typing import Any

import torch as th
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import is_image_space, preprocess_obs
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.dqn.policies import CnnPolicy, DQNPolicy, MlpPolicy, MultiInputPolicy, QNetwork
from torch import nn

from rlkit.agents.dqn.layers import Head
from rlkit.agents.spaces import channels_first
from rlkit.errors import UsageError, nearest

# Convolutions (channels, kernel, stride) and the width of the layer on top.
TRUNKS: dict[str, tuple[tuple[tuple[int, int, int], ...], int]] = {
    "nature": (((32, 8, 4), (64, 4, 2), (64, 3, 1)), 512),  # Mnih et al. 2015; Stable-Baselines3's
    "nips": (((16, 8, 4), (32, 4, 2)), 256),  # Mnih et al. 2013; UNREAL's: a third of nature's time on a CPU
    "small": (((16, 5, 2), (32, 3, 2)), 256),  # for pictures of about 42x42: a 9x9 map, as nips has of 84x84
    "grid": (((16, 3, 1),), 128),  # for grids of about 10x10 (Young and Tian 2019, MinAtar)
}
SIZES = (("nips", 60), ("small", 21), ("grid", 3))  # trunk=auto: the first whose least edge a picture has


class Trunk(BaseFeaturesExtractor):
    """Convolutions and a layer on top, with Stable-Baselines3's names: its ``NatureCNN`` is ``trunk="nature"``.

    Args:
        observation_space: Pictures, channels first.
        trunk: A name in ``TRUNKS``.
    """

    def __init__(self, observation_space: spaces.Box, trunk: str) -> None:
        convolutions, features = TRUNKS[trunk]
        super().__init__(observation_space, features)
        self.name = trunk
        channels, layers = observation_space.shape[0], []
        for width, kernel, stride in convolutions:
            layers += [nn.Conv2d(channels, width, kernel, stride), nn.ReLU()]
            channels = width
        self.cnn = nn.Sequential(*layers)
        with th.no_grad():
            self.map_shape = tuple(self.cnn(th.zeros(1, *observation_space.shape)).shape[1:])
        self.linear = nn.Sequential(
            nn.Linear(self.map_shape[0] * self.map_shape[1] * self.map_shape[2], features), nn.ReLU()
        )

    def features(self, maps: th.Tensor) -> th.Tensor:
        """Features ``(n, features_dim)`` of convolution maps ``(n, *map_shape)``."""
        return self.linear(maps.flatten(1))

    def forward(self, observations: th.Tensor) -> th.Tensor:
        """Features of pictures in [0, 1]."""
        return self.features(self.cnn(observations))


class SwitchedQNetwork(QNetwork):
    """Stable-Baselines3's network, where asked with a :class:`~rlkit.agents.dqn.layers.Head` for its plain layers.

    Args:
        *args: Stable-Baselines3's.
        dueling: Whether value and advantages have a stream each.
        noisy: Whether the head's layers are noisy.
        **kwargs: Stable-Baselines3's.
    """

    def __init__(self, *args: Any, dueling: bool = False, noisy: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if dueling or noisy:
            actions = int(self.action_space.n)
            head = Head(self.features_dim, actions, self.net_arch, self.activation_fn, dueling=dueling, noisy=noisy)
            self.q_net = head  # type: ignore[assignment]

    def maps(self, observations: th.Tensor) -> th.Tensor:
        """The trunk's convolution maps, of observations as the replay has them."""
        prepared = preprocess_obs(observations, self.observation_space, normalize_images=self.normalize_images)
        return self.trunk.cnn(prepared)

    @property
    def trunk(self) -> Trunk:
        """The convolutions."""
        assert isinstance(self.features_extractor, Trunk)
        return self.features_extractor


class _Switched(DQNPolicy):
    """A policy whose networks are :class:`SwitchedQNetwork`."""

    def __init__(self, *args: Any, dueling: bool = False, noisy: bool = False, **kwargs: Any) -> None:
        self.dueling, self.noisy = dueling, noisy  # before the base's constructor, which builds the networks
        super().__init__(*args, **kwargs)

    def make_q_net(self) -> QNetwork:
        """One of the two networks."""
        arguments = self._update_features_extractor(self.net_args, features_extractor=None)
        return SwitchedQNetwork(**arguments, dueling=self.dueling, noisy=self.noisy).to(self.device)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), "dueling": self.dueling, "noisy": self.noisy}


class SwitchedMlpPolicy(_Switched, MlpPolicy):
    """Of vectors."""


class SwitchedCnnPolicy(_Switched, CnnPolicy):
    """Of pictures."""


class SwitchedMultiInputPolicy(_Switched, MultiInputPolicy):
    """Of dictionaries."""


POLICIES: dict[str, type[BasePolicy]] = {
    "MlpPolicy": SwitchedMlpPolicy,
    "CnnPolicy": SwitchedCnnPolicy,
    "MultiInputPolicy": SwitchedMultiInputPolicy,
}


def network_kwargs(
    observation_space: spaces.Space[Any], *, dueling: bool = False, noisy: bool = False, trunk: str = "auto"
) -> dict[str, Any]:
    """Arguments of a policy from an agent's settings.

    Args:
        observation_space: Of one environment; pictures may have their channels last.
        dueling: Whether value and advantages have a stream each.
        noisy: Whether the head's layers are noisy.
        trunk: A name in ``TRUNKS``, or ``auto``: what suits the pictures' size. Of no effect on anything but pictures.

    Raises:
        UsageError: If there is no such trunk, or pictures are too small for it.
    """
    if trunk != "auto" and trunk not in TRUNKS:
        raise UsageError(f"unknown agent.trunk {trunk!r}: {nearest(trunk, ['auto', *TRUNKS])}")
    switches = {"dueling": dueling, "noisy": noisy}
    if isinstance(observation_space, spaces.Dict) or not is_image_space(observation_space):
        return switches
    edge = min(channels_first(observation_space).shape[1:])  # type: ignore[index]
    chosen = next((name for name, least in SIZES if edge >= least), "grid") if trunk == "auto" else trunk
    if edge < _least_edge(chosen):
        raise UsageError(
            f"pictures of {observation_space.shape} are too small for agent.trunk={chosen}, which needs "
            f"{_least_edge(chosen)} pixels along each edge: take a smaller one of {', '.join(TRUNKS)}, or auto"
        )
    return {**switches, "features_extractor_class": Trunk, "features_extractor_kwargs": {"trunk": chosen}}


def _least_edge(trunk: str) -> int:
    """The smallest picture that leaves a map of one pixel."""
    edge = 1
    for _, kernel, stride in reversed(TRUNKS[trunk][0]):
        edge = (edge - 1) * stride + kernel
    return edge
