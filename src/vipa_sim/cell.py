"""The simulated cell: a robot in a scene, advanced tick by tick, with controllers, wrench, ground truth and snapshots."""

import zlib
from collections.abc import Sequence
from dataclasses import replace

import mujoco
import numpy as np

from vipa.config import fingerprint
from vipa.errors import VipaError, unknown
from vipa.robot.description import Camera, Robot
from vipa.robot.state import GroundTruth, JointState, JointTrajectory
from vipa.robot.trajectory_controller import TrajectoryController
from vipa.tasks.task import Task
from vipa_sim import contacts, drawn, geometry, robot_model, tabletop
from vipa_sim.camera_mounts import mounted_anew
from vipa_sim.camera_noise import CameraNoise
from vipa_sim.following import Follower, Following, of_robot
from vipa_sim.placement_ik import Reach
from vipa_sim.scenes import load_scene
from vipa_sim.snapshot import Appearance, SceneCard, Snapshot

START_NS = 1_000_000_000  # ROS time 0 means "no time", so a cell starts at one second
SENSOR_HZ = 15.0  # corner of the wrist sensor's low-pass: a contact's single-step impulses are no force on the tool
SENSOR_NOISE = np.repeat([0.05, 0.002], 3)  # N, N m, standard deviation: what a wrist sensor's readings never lack
SETTLE_S = 0.3  # simulated seconds in which objects come to rest before an episode


class SimCell:
    """A robot and a task's scene in MuJoCo. One thread at a time; only `Snapshot`s leave it for a render thread.

    dt: seconds of one tick. stamp_ns: ROS time of the current state; it never goes backwards, not at `reset` either. model: what is felt,
    without what is only seen (`drawn_model`). card: how the current episode began. cameras: names of those that are built. mounted: every camera of the robot as it stands in the current
    episode, built or not. delays_ns: nanoseconds from exposure to stamp, by camera that has any.

    Args:
        robot, task: what stands in it.
        cameras: names of the robot's cameras to build; None: the task's; (): none, no rendering.
        image_size: (width, height) pixels of all of them; None: as the robot file says.
        following: how the arms follow their controllers; None: exactly, or as `late` says.
        fixed_cameras: cameras on the world stand where the robot file says; else each episode's seed draws where
            (`camera_mounts`).
        camera_noise: cameras see as a RealSense does (`camera_noise`).
        late: pictures are stamped after their exposure, to a tick, and arms follow their commands as late as the robot file's latencies say, so
            that who reckons with them is right here, too.

    Raises:
        VipaError: for unknown cameras or scenes, a robot that does not fit, or a body of the scene that no camera sees.

    Attributes:
        model, data: MuJoCo's, for what looks at forces or disturbs things; the next episode starts them anew.
    """

    def __init__(
        self,
        robot: Robot,
        task: Task,
        cameras: Sequence[str] | None = None,
        image_size: tuple[int, int] | None = None,
        following: Following | None = None,
        fixed_cameras: bool = False,
        camera_noise: bool = False,
        late: bool = False,
    ):
        task.check_robot(robot)
        self.robot, self.task = robot, task
        self.following = following or (of_robot(robot) if late else Following())
        self.fixed_cameras, self.camera_noise = fixed_cameras, camera_noise
        self.cameras = choose_cameras(robot, task.cameras if cameras is None else cameras, image_size)
        self.mounted = {camera.name: camera for camera in robot.cameras}
        self.dt = 1.0 / robot.control_rate
        tick = round(self.dt * 1e9)
        late_ns = {c.name: round(c.latency * 1e9 / tick) * tick for c in robot.cameras if late}
        self.delays_ns = {name: delay for name, delay in late_ns.items() if delay}
        self._substeps = max(1, round(contacts.PHYSICS_RATE_HZ * self.dt))
        self.scene = load_scene(task)
        if task.tip and task.tip not in self.scene.bodies:
            raise unknown(f"tip of task {task.name}", task.tip, self.scene.bodies)
        self.model = self._compile()
        self.data = mujoco.MjData(self.model)
        self._names = [self.model.body(i).name for i in range(self.model.nbody)]
        self._bind()
        self.stamp_ns = START_NS
        self._appearance = Appearance()
        self.card = self.reset(0)

    def _compile(self) -> mujoco.MjModel:
        spec = robot_model.load(self.robot)
        self._links = tuple(b.name for b in spec.bodies if b.name != "world")
        contacts.set_options(spec, self.dt / self._substeps)
        robot_model.add_servos(spec, self.robot)
        for group in self.robot.arms:
            robot_model.add_wrench_sensor(spec, group)
        robot_model.add_cameras(spec, self.cameras.values())
        tabletop.add_room(spec)
        self.scene.build(spec)
        tabletop.add_fixtures(spec, self.task.fixtures, self.scene.materials)
        self._exclude(spec)
        fixtures = [fixture.name for fixture in self.task.fixtures]
        drawn.check(spec, self.scene.bodies, fixtures, f"scene '{self.task.scene}'")
        width = max((c.width for c in self.cameras.values()), default=16)
        height = max((c.height for c in self.cameras.values()), default=16)
        spec.visual.global_.offwidth, spec.visual.global_.offheight = width, height
        self._spec = spec
        try:
            return _felt(spec).compile()
        except ValueError as error:
            raise VipaError(f"scene '{self.task.scene}' with robot '{self.robot.name}': {error}") from None

    def drawn_model(self) -> mujoco.MjModel:
        """A new model of the same bodies and joints with all that is seen of them, which takes a `Snapshot`'s state."""
        return self._spec.compile()

    def _exclude(self, spec: mujoco.MjSpec) -> None:
        """The robot file's pairs never touch here either. Neighbours and static bodies MuJoCo leaves out by itself."""
        for first, second in self.robot.ignore_pairs:
            spec.add_exclude(bodyname1=first, bodyname2=second)

    def _bind(self) -> None:
        model = self.model
        self._controllers: dict[str, TrajectoryController] = {}
        self._servos: dict[str, np.ndarray] = {}
        self._columns: dict[str, slice] = {}  # of a controller's joints among all
        names: list[str] = []
        for group in self.robot.groups:
            parts = [(group.controller, group.joints, group.home)]
            if group.hand:
                parts.append((group.hand.controller, group.hand.joints, group.hand.open))
            for controller, joints, _ in parts:
                self._controllers[controller] = TrajectoryController(controller, joints)
                self._servos[controller] = np.array([model.actuator(j).id for j in joints])
                self._columns[controller] = slice(len(names), len(names) + len(joints))
                names += joints
        self._joint_names = tuple(names)
        self._qpos = np.array([model.joint(j).qposadr[0] for j in names])
        self._dofs = np.array([model.joint(j).dofadr[0] for j in names])
        self._screws = {
            g.hand.controller: drive for g in self.robot.arms if (drive := robot_model.screws(model, g)) is not None
        }
        self._follower = Follower(self.following, model.opt.timestep)
        self._lead = -model.actuator_biasprm[:, 2] / model.actuator_gainprm[:, 0]
        self._link_ids = [(name, model.body(name).id) for name in self._links]
        self._truth_ids = [(name, model.body(name).id) for name in self.scene.bodies]
        self._reach = {arm.name: Reach(model, arm) for arm in self.robot.arms}
        # what each wrist sensor carries: mass and centre (3,) in the sensor's frame are read from the moving subtree
        self._sensors = {g.name: _WristSensor(model, g.name) for g in self.robot.arms}

    def reset(self, seed: int, variant: str = "") -> SceneCard:
        """Begin an episode: arm at home and at rest, hand open, objects where `seed` puts them; time goes on.

        variant: name in the task file, '' = one of `task.seen`, drawn by the seed. Raises VipaError for unknown variants
        or a negative seed.
        """
        if seed < 0:
            raise VipaError(f"seed {seed} is negative; allowed: 0 or more")
        if not variant:
            seen = self.task.seen
            variant = seen[int(self._rng(seed, "variant").integers(len(seen)))]
        if variant not in self.task.variants:
            raise unknown(f"variant of task {self.task.name}", variant, self.task.variants)
        self._appearance = self.scene.appearance(self.task.variants[variant], self._rng(seed, "appearance"))
        self._mount_cameras(seed)
        mujoco.mj_resetData(self.model, self.data)
        self._go_home()
        self._follower.reset(self.data.ctrl)
        self._noise = self._rng(seed, "measurement")
        self.scene.place(self.model, self.data, self._rng(seed, "place"), self._reach)
        for _ in range(round(SETTLE_S / self.model.opt.timestep)):
            mujoco.mj_step(self.model, self.data)
        self.data.qvel[:] = 0.0
        mujoco.mj_forward(self.model, self.data)
        self._placed = self.data.qpos.copy()
        self._sensed = self.data.sensordata.copy()
        self._measure()
        self.stamp_ns += round(self.dt * 1e9)
        truth = self.truth()
        self.card = SceneCard(
            task=self.task.name,
            task_sha256=fingerprint(self.task),
            robot_sha256=fingerprint(self.robot),
            seed=seed,
            variant=variant,
            poses={name: pose.tolist() for name, pose in truth.poses.items()},
            scalars=truth.scalars,
            appearance={"materials": {k: list(v) for k, v in self._appearance.materials.items()},
                        "light": self._appearance.light},
            cameras={c.name: {"position": c.position, "rpy": c.rpy} for c in self.mounted.values() if c.parent == "world"},
            camera_noise=self.camera_noise,
        )  # fmt: skip
        return self.card

    def _mount_cameras(self, seed: int) -> None:
        """Where the cameras stand; new dictionaries, so that a snapshot keeps those of its own episode."""
        described = {camera.name: camera for camera in self.robot.cameras}
        if not self.fixed_cameras:
            for name, camera in described.items():  # a stream each: which cameras are built changes nothing
                described[name] = mounted_anew(camera, self._rng(seed, f"camera {name}"))
        self.mounted = described
        self.cameras = {
            name: replace(described[name], width=built.width, height=built.height)
            for name, built in self.cameras.items()
        }

    def _rng(self, seed: int, purpose: str) -> np.random.Generator:
        """A stream for each purpose, so that asking for a variant leaves the poses as they were. Whatever a task is called, the
        draw is the scene's."""
        entropy = [seed, zlib.crc32(self.task.scene.encode()), zlib.crc32(purpose.encode())]
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))

    def _go_home(self) -> None:
        for group in self.robot.groups:
            self._hold(group.controller, group.joints, group.home)
            if group.hand:
                self._hold(group.hand.controller, group.hand.joints, group.hand.open)
        self._couple()

    def _couple(self) -> None:
        """Coupled joints follow their leaders."""
        for equality in range(self.model.neq):
            if self.model.eq_type[equality] == mujoco.mjtEq.mjEQ_JOINT:
                follower, leader = self.model.eq_obj1id[equality], self.model.eq_obj2id[equality]
                offset, factor = self.model.eq_data[equality, :2]
                self.data.qpos[self.model.jnt_qposadr[follower]] = (
                    offset + factor * self.data.qpos[self.model.jnt_qposadr[leader]]
                )

    def arrange(self, joints: dict[str, float], poses: dict[str, np.ndarray]) -> None:
        """Put joints (rad or m) and free bodies (poses (7,), world frame) somewhere without physics, all at rest: for pictures, not
        to go on from. Whatever is not named stands where the episode began."""
        self.data.qpos[:] = self._placed
        for name, value in joints.items():
            self.data.qpos[self.model.joint(name).qposadr[0]] = value
        self._couple()
        for name, pose in poses.items():
            start = self.model.joint(f"{name}_free").qposadr[0]
            self.data.qpos[start : start + 7] = [*pose[:3], pose[6], *pose[3:6]]
        self.data.qvel[:] = 0.0
        mujoco.mj_forward(self.model, self.data)
        if hasattr(self.scene, "arranged"):
            self.scene.arranged(self.model, self.data)
            mujoco.mj_forward(self.model, self.data)
        self._measure()

    def _hold(self, controller: str, joints: Sequence[str], positions: Sequence[float]) -> None:
        self._controllers[controller].reset(np.array(positions))
        if controller in self._screws:
            self._screws[controller].reset(np.array(positions))
        self.data.qpos[[self.model.joint(j).qposadr[0] for j in joints]] = positions
        self.data.ctrl[self._servos[controller]] = positions

    def joint_state(self) -> JointState:
        """All driven joints, arms' and hands', in the order of the robot file: rad or m, rad/s or m/s, N m or N."""
        data = self.data
        return JointState(
            self.stamp_ns,
            self._joint_names,
            data.qpos[self._qpos].copy(),
            self._velocities.copy(),
            data.qfrc_actuator[self._dofs].copy(),
        )

    def command(self, controller: str, trajectory: JointTrajectory) -> str:
        """Hand `trajectory` to `controller`, effective from now. Returns '' or why it is rejected."""
        if controller not in self._controllers:
            return f"unknown controller '{controller}'; allowed: {', '.join(self._controllers)}"
        measured = None
        if not self.following.interpolate_from_desired_state:
            columns = self._columns[controller]
            measured = self.data.qpos[self._qpos[columns]], self._velocities[columns]
        return self._controllers[controller].accept(trajectory, self.stamp_ns * 1e-9, measured)

    def step(self) -> None:
        """Advance by one tick, `dt` seconds."""
        timestep = self.model.opt.timestep
        # a step's forces come from the positions at its start, so the targets of that moment: others would lead by a step
        times = self.stamp_ns * 1e-9 + timestep * np.arange(self._substeps)
        ctrl = np.empty((self._substeps, self.model.nu))
        for name, controller in self._controllers.items():
            servos = self._servos[name]
            positions, velocities = controller.sample(times)
            ctrl[:, servos] = positions + self._lead[servos] * velocities
        weight = 1.0 - np.exp(-2.0 * np.pi * SENSOR_HZ * timestep)
        model, data = self.model, self.data
        sent, sensors = (
            data.ctrl,
            data.sensordata,
        )  # views: to ask for them anew in every step costs as much as their use
        for row in ctrl:
            sent[:] = self._follower.follow(row)
            for name, screws in self._screws.items():
                servos, joints = self._servos[name], data.qpos[self._qpos[self._columns[name]]]
                sent[servos] = screws.follow(sent[servos], joints)
            mujoco.mj_step(model, data)
            self._sensed += weight * (sensors - self._sensed)
        self.scene.advance(self.model, self.data)
        self._measure()
        self.stamp_ns += round(self.dt * 1e9)

    def _measure(self) -> None:
        """Velocities (n,) of the driven joints as they are measured in this tick."""
        self._velocities = self.data.qvel[self._dofs].copy()
        if self.following.velocity_noise:
            self._velocities += self.following.velocity_noise * self._noise.standard_normal(len(self._dofs))

    def wrench(self, group: str) -> np.ndarray:
        """(6,) force (N) and torque (N m) on the tool of `group`, tool frame; the hand's own weight is removed.

        Low-passed at SENSOR_HZ and with SENSOR_NOISE, as wrist sensors' are: the same of the same seed and time.
        """
        if group not in self._sensors:
            raise unknown("group with a wrist sensor", group, self._sensors)
        noise = np.random.default_rng([self.card.seed, self.stamp_ns, zlib.crc32(group.encode())]).standard_normal(6)
        return self._sensors[group].read(self.model, self.data, self._sensed) + SENSOR_NOISE * noise

    def truth(self) -> GroundTruth:
        """Poses of the scene's bodies, its scalars and all touching pairs of bodies (links, fixtures, objects)."""
        poses = {name: self._pose(body) for name, body in self._truth_ids}
        pairs = contacts.touching(self.model, self.data, self._names)
        return GroundTruth(self.stamp_ns, poses, self.scene.scalars(self.model, self.data), pairs)

    def link_poses(self) -> dict[str, np.ndarray]:
        """Pose (7,) xyz + xyzw of every URDF link in the world."""
        return {name: self._pose(body) for name, body in self._link_ids}

    def snapshot(self) -> Snapshot:
        """A copy of the state that another thread may draw."""
        look = self.scene.look(self._appearance, self.data)
        noise = CameraNoise(self.card.seed) if self.camera_noise else None
        return Snapshot(self.stamp_ns, self.data.qpos.copy(), look, self.cameras, noise, self.delays_ns)

    def camera_info(self, name: str) -> tuple[np.ndarray, int, int]:
        """Intrinsics K (3, 3) with integer pixel coordinates at pixel centres, width, height."""
        if name not in self.cameras:
            raise unknown("camera", name, self.cameras)
        camera = self.cameras[name]
        return geometry.intrinsics(camera.width, camera.height, camera.vertical_fov), camera.width, camera.height

    def _pose(self, body: int) -> np.ndarray:
        return geometry.pose(self.data.xpos[body], self.data.xquat[body])


def choose_cameras(robot: Robot, names: Sequence[str], size: tuple[int, int] | None) -> dict[str, Camera]:
    """The robot's cameras `names`, with `size` (width, height) in pixels in place of their own. Raises VipaError."""
    known = {camera.name: camera for camera in robot.cameras}
    missing = [name for name in names if name not in known]
    if missing:
        raise unknown(f"camera of robot {robot.name}", missing[0], known)
    chosen = {name: known[name] for name in names}
    if size is None:
        return chosen
    return {name: replace(camera, width=int(size[0]), height=int(size[1])) for name, camera in chosen.items()}


def _felt(spec: mujoco.MjSpec) -> mujoco.MjSpec:
    """A copy of `spec` without what is only seen: every step would work out where each petal is, and none weighs anything."""
    felt = spec.copy()
    for geom in list(felt.geoms):
        if not (geom.contype or geom.conaffinity):
            felt.delete(geom)
    return felt


class _WristSensor:
    """Reads a group's force-torque sensor and takes the weight of the hand itself away."""

    def __init__(self, model: mujoco.MjModel, group: str):
        self._force = model.sensor(f"{group}_force").adr[0]
        self._torque = model.sensor(f"{group}_torque").adr[0]
        self._site = model.site(f"{group}_wrench").id
        self._body = model.site_bodyid[self._site]

    def read(self, model: mujoco.MjModel, data: mujoco.MjData, sensed: np.ndarray) -> np.ndarray:
        """(6,) force and torque on the tool in the sensor's (tool) frame, from the sensors' values `sensed`."""
        measured = np.concatenate([sensed[self._force : self._force + 3], sensed[self._torque : self._torque + 3]])
        rotation = data.site_xmat[self._site].reshape(3, 3)
        weight = rotation.T @ (model.body_subtreemass[self._body] * model.opt.gravity)
        arm = rotation.T @ (data.subtree_com[self._body] - data.site_xpos[self._site])
        # MuJoCo gives what the arm does to the hand: at rest it carries the hand's weight and what the world adds
        (ax, ay, az), (wx, wy, wz) = arm, weight
        return -measured - np.array([wx, wy, wz, ay * wz - az * wy, az * wx - ax * wz, ax * wy - ay * wx])
