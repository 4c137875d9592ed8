"""The obstacle course behind Gymnasium's API: the single environment, whose docstring is the manual."""

from __future__ import annotations

import math
from typing import Any

from gymnasium.vector import AutoresetMode

from rlkit.envs.batch import SingleEnv
from rlkit.envs.locomotion.course import Course
from rlkit.envs.locomotion.vector import ObstacleCourseVectorEnv


class ObstacleCourseEnv(SingleEnv):
    """Run along a track full of obstacles without falling.

    ## Description

    The terrains of Heess et al. (2017, "Emergence of locomotion behaviours in rich environments", arXiv:1707.02286) in
    MuJoCo: hurdles, gaps, platforms to jump on or to crouch under, slalom walls, stairs and rough ground, drawn anew
    for every episode. A body runs along x, senses itself, and scans the heights of the terrain around it. x is along
    the track, y to its left, z up; metres, seconds, radians.

    | body | model | numbers of the scan | actions | step |
    |---|---|---|---|---|
    | walker | gymnasium's ``walker2d_v5.xml``, moves in a plane | 24 | 6 | 16 ms (4 x 4 ms) |
    | quadruped | gymnasium's ``ant.xml`` | 74 | 8 | 50 ms (5 x 10 ms) |
    | humanoid | gymnasium's ``humanoid.xml`` | 74 | 17 | 15 ms (5 x 3 ms) |

    Integrator and solver are MuJoCo's ``implicitfast`` and Newton whatever the file says: RK4 costs four times as much.

    ## Action space

    ``Box(-1, 1)``: each actuator's control, from the one end of its range to the other: torques in all three models.
    With ``servo`` it is the angle that the actuator's joint is pulled to, from the one end of the joint's range to the
    other. ``action_names`` tells the order.

    ## Observation space

    ``Box`` float32, each number clipped to its bounds. First the body (``observation_groups["proprioception"]``), then
    the terrain (``observation_groups["terrain"]``); ``observation_names`` and ``observation_units`` tell all of it.

    | walker | meaning | unit | range |
    |---|---|---|---|
    | 0 | height of the root above the terrain (over a gap: above its edge) | m | -10 to 10 |
    | 1 | pitch | rad | -pi to pi |
    | 2 .. 7 | joint angles | rad | -10 to 10 |
    | 8 .. 10 | speed along x, along z; pitch rate | m/s, rad/s | -20 to 20 |
    | 11 .. 16 | joint speeds | rad/s | -20 to 20 |
    | 17, 18 | force of the ground on each foot | body weights | 0 to 4 |
    | 19 .. 42 | scan: height of the terrain, 0.45 m behind to 8 m ahead | m | -2 to 2 |

    | quadruped, humanoid | meaning | unit | range |
    |---|---|---|---|
    | 0 | height, as above | m | -10 to 10 |
    | 1 | distance from the centre line, to the left | half widths | -2 to 2 |
    | 2, 3 | cosine and sine of the heading | 1 | -1 to 1 |
    | 4 .. 6 | which way is down, in the root's axes | 1 | -1 to 1 |
    | 7 .. | joint angles: 8, or 17 | rad | -10 to 10 |
    | then 9 | velocimeter, gyro, accelerometer at the root, in its axes | m/s, rad/s, g | -20 to 20 |
    | then | joint speeds: 8, or 17 | rad/s | -20 to 20 |
    | then | force of the ground on each foot: 4, or 2 | body weights | 0 to 4 |
    | then | humanoid: torque on hips and knees, 12 numbers | body weights x m | -4 to 4 |
    | then 74 | scan | m | -2 to 2 |

    The scan's points move with the root and do not turn with it; their density falls with distance
    (:mod:`rlkit.envs.locomotion.scan` has them). Heights are relative to where the ground would be if the body stood
    upright. A scan from above does not see under platforms; they are all 0.1 m thick, so that the upper side tells the
    lower. Forces and accelerations are of the last physics step before the observation.

    ## Reward

    ``forward * clip(v_x, -limit, limit) + alive + upright * cos(tilt) - action * |a|^2 - centre * y^2
    - drift * v_y^2`` a step, where ``v_x`` is the root's mean speed along the track in the step; without ``alive`` in a
    step that ends in a fall. The weights of a body can be changed with ``reward={"action": 0.1}``.

    | body | forward | speed_limit_ms | alive | upright | action | centre | drift |
    |---|---|---|---|---|---|---|---|
    | walker | 1 | 3 | 0.5 | 0 | 0.05 | 0 | 0 |
    | quadruped | 1 | 4 | 0.5 | 0 | 0.05 | 0.05 | 0 |
    | humanoid | 1 | 4 | 1 | 0 | 0.02 | 0.05 | 0.005 |

    ## Starting state

    The model's own pose at x = 0, with uniform noise on all positions and velocities (0.005; quadruped 0.1, humanoid
    0.01), 3 m or more before the first obstacle. Courses are a pure function of the seed, the number of the episode and
    the level. ``reset(options={"course": ...})`` gives a course: a
    :class:`~rlkit.envs.locomotion.course.Course`, its mapping, or the path of a JSON file; :meth:`get_course` returns
    the present one.

    ## Episode end

    Terminates, and ``info["cause"]`` (1 to 4, ``metrics.CAUSES``) says why: a fall (walker: root lower than 0.6 m above
    the terrain or tilted more than 1 rad; quadruped: lower than 0.15 m or tilted more than 1.4 rad; humanoid: head less
    than 1.1 m above the terrain, or less than 0.9 m above the lower foot), a fall into a gap, the root beside the track
    (not the walker), or a simulation that diverged (an error or a warning of MuJoCo, a number that is none; the reward
    of that step and all observations are 0). Heights are above the terrain beneath the root. Truncates over the finish
    line (``is_success``), and after ``episode_s``.

    Every ``info`` has ``distance_m`` (the farthest so far) and ``cleared`` (obstacles so far); at the end also
    ``speed_ms``, ``course_share``, ``hurdle_cleared``, ``gap_cleared``, ``platform_cleared``, ``wall_cleared``,
    ``stairs_cleared``, ``rough_cleared``, ``obstacles`` (that the course has), ``tallest_hurdle_m`` and
    ``widest_gap_m`` (of those cleared), ``terrain``, ``difficulty``, ``level``, ``cause``, ``fell`` and ``is_success``.
    An obstacle is cleared when every foot is past its end and the body is still up half a second later, or over the
    finish line: who falls across a hurdle has not cleared it.

    ## Arguments

    Args:
        body: ``"walker"``, ``"quadruped"``, ``"humanoid"``, or a model of your own as a mapping of the fields of
            :class:`~rlkit.envs.locomotion.bodies.BodySpec`, such as
            ``{"mjcf": "my.xml", "root": "torso", "feet": ["left_foot", "right_foot"]}``.
        terrain: ``"flat"``, ``"hurdles"``, ``"gaps"``, ``"platforms"``, ``"slalom"`` (not for the walker),
            ``"stairs"``, ``"rough"``, ``"mixed"`` (kinds in turn on one course) or ``"mixture"`` (one kind an episode).
        difficulty: 0 to 1; at 1 obstacles reach what the body can just pass.
        curriculum: ``"along"`` (difficulty grows along the course up to ``difficulty``), ``"none"`` (every obstacle's
            is drawn up to ``difficulty``), or ``"adaptive"`` (as none, and each environment has a level from 0 to 9
            that rises after more than half of a course and falls after less than a fifth: ``difficulty * level / 9``).
        course_seed: Every episode runs the same course, drawn from this seed.
        episode_s: Length of an episode at most.
        limits: What courses are drawn from, as changes to the body's
            :class:`~rlkit.envs.locomotion.limits.CourseLimits`: ``{"hurdle_height_m": [0.03, 0.15]}``.
        reward: Changes to the weights.
        falls: Changes to what counts as a fall: ``min_height_m``, ``max_tilt_rad``, ``min_head_height_m``,
            ``min_head_to_feet_m``.
        servo: Stiffness and damping of servos in the place of the motors, as a mapping of the fields of
            :class:`~rlkit.envs.locomotion.bodies.Servo`: ``{"stiffness_nm": 400, "damping_nms": 30}`` suits the
            quadruped.
        conditions: What is not as in the model, numbers or ranges from which each episode draws: ``friction``,
            ``mass`` (of the root), ``gear``, ``gravity`` (all times the model's), ``incline_deg``, ``push_ms`` with
            ``push_every_s``: ``{"friction": [0.5, 1.25], "push_ms": 1.0}``.
            :func:`rlkit.envs.locomotion.conditions.probe` has the paper's probes.
        course: Every episode runs this course; as for the reset option.
        threads: That step the simulations of a batch; None for one each physical core. Results do not depend on it.
            Where several runs share a machine, 1 is fastest.
        max_episode_steps: Ends episodes after so many steps instead. (``gymnasium.make`` keeps an argument of this name
            for its ``TimeLimit`` wrapper, which knows nothing of verdicts: give it ``episode_s``.)
        render_mode: ``"rgb_array"``, ``"depth_array"`` (metres, float32), or ``"human"``: a window that every step
            brings up to date; drag to turn the camera, scroll to come closer. Pictures need no display: MuJoCo draws
            through EGL or else OSMesa, and ``MUJOCO_GL`` chooses. The camera goes along beside the body; squares of the
            ground have sides of 1 m.
        width: Of pictures, in pixels.
        height: Of pictures, in pixels.
        show_scan: Draw the points at which the body sees the terrain.
        antialias: Smooth edges; without, a picture takes 0.4 of the time.

    ## Versions

    * v0: first version.

    Example:
        >>> import gymnasium, rlkit
        >>> env = gymnasium.make("rlkit/ObstacleCourse-v0", body="walker", terrain="hurdles")
        >>> observation, info = env.reset(seed=0)
        >>> observation.shape, env.action_space.shape
        ((43,), (6,))
    """

    metadata: dict[str, Any] = ObstacleCourseVectorEnv.metadata
    _batch: ObstacleCourseVectorEnv

    def __init__(
        self, *, max_episode_steps: int | None = None, render_mode: str | None = None, **arguments: Any
    ) -> None:
        batch = ObstacleCourseVectorEnv(
            1,
            autoreset_mode=AutoresetMode.DISABLED,
            max_episode_steps=max_episode_steps,
            copy=False,
            render_mode=render_mode,
            **arguments,
        )
        super().__init__(batch)
        self.metadata = {key: value for key, value in batch.metadata.items() if key != "autoreset_mode"}

    @property
    def observation_groups(self) -> dict[str, tuple[int, int]]:
        """Where in an observation the body is sensed, and where the terrain is seen: first, and one after the last."""
        return self._batch.observation_groups

    @property
    def observation_names(self) -> tuple[str, ...]:
        """Of every observation."""
        return self._batch.observation_names

    @property
    def observation_units(self) -> tuple[str, ...]:
        """Of every observation."""
        return self._batch.observation_units

    @property
    def action_names(self) -> tuple[str, ...]:
        """Of every action."""
        return self._batch.action_names

    def get_course(self) -> Course:
        """The present course."""
        return self._batch.get_course(0)

    def terrain_height(self, x_m: float, y_m: float = 0.0, below_m: float = math.inf) -> float:
        """Height of the terrain under a point, counting no surfaces above ``below_m``."""
        return self._batch.terrain_height(x_m, y_m, below_m)

    def conditions(self) -> dict[str, float]:
        """The conditions of the present episode."""
        return {name: float(values[0]) for name, values in self._batch.conditions().items()}
