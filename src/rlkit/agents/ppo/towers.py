"""A network with a tower for each group of observations, as Heess et al. 2017 have it (section 4, "policy").

What the body feels of itself and what it sees of the terrain go through hidden layers of their own and meet at the
linear head alone. The paper reports that this learned much faster than one fully connected network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch as th
from stable_baselines3.common.torch_layers import create_mlp
from torch import nn

from rlkit.errors import UsageError

Groups = Mapping[str, tuple[int, int]]


def check_groups(groups: Any, features: int) -> dict[str, tuple[int, int]]:
    """Groups of observations, in the order of their columns.

    Args:
        groups: For each name, its first column and the one after its last.
        features: Numbers that are observed.

    Raises:
        UsageError: If there are less than two, or a number belongs to none or to several.
    """
    try:
        found = {str(name): (int(start), int(stop)) for name, (start, stop) in dict(groups).items()}
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"observation_groups must be names with their first column and the one after their last, got {groups!r}"
        ) from error
    found = dict(sorted(found.items(), key=lambda item: item[1]))
    edges = [0, *(stop for _, stop in found.values())]
    fits = all(start == before < stop for (start, stop), before in zip(found.values(), edges, strict=False))
    if len(found) < 2 or not fits or edges[-1] != features:
        raise UsageError(
            f"observation_groups must be two or more that share out all {features} columns between them, got {groups!r}"
        )
    return found


class Towers(nn.Module):
    """One tower of hidden layers a group; their outputs side by side.

    Args:
        groups: Checked groups.
        widths: Of the hidden layers of each tower.
        activation: After each of them.

    Attributes:
        towers: A ``Linear, activation, Linear, activation, ...`` for each group.
        columns: Of each group.
        out_features: Width of all outputs together.
    """

    def __init__(self, groups: Groups, widths: Sequence[int], activation: type[nn.Module]) -> None:
        super().__init__()
        self.columns = [slice(start, stop) for start, stop in groups.values()]
        self.towers = nn.ModuleDict(
            {
                name: nn.Sequential(*create_mlp(stop - start, -1, list(widths), activation))
                for name, (start, stop) in groups.items()
            }
        )
        self.out_features = len(groups) * widths[-1]

    def forward(self, features: th.Tensor) -> th.Tensor:
        """(n, out_features) of (n, features)."""
        parts = zip(self.towers.values(), self.columns, strict=True)
        return th.cat([tower(features[:, columns]) for tower, columns in parts], dim=1)


class TowersExtractor(nn.Module):
    """In place of Stable-Baselines3's `MlpExtractor`: towers of the policy, and others of the value.

    Args:
        groups: Checked groups.
        widths: Of the hidden layers of each tower.
        activation: After each of them.
    """

    def __init__(self, groups: Groups, widths: Sequence[int], activation: type[nn.Module]) -> None:
        super().__init__()
        self.policy_net = Towers(groups, widths, activation)
        self.value_net = Towers(groups, widths, activation)
        self.latent_dim_pi, self.latent_dim_vf = self.policy_net.out_features, self.value_net.out_features

    def forward(self, features: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        """What the policy's and the value's heads read."""
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: th.Tensor) -> th.Tensor:
        """What the policy's head reads."""
        return self.policy_net(features)

    def forward_critic(self, features: th.Tensor) -> th.Tensor:
        """What the value's head reads."""
        return self.value_net(features)
