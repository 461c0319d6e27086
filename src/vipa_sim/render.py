"""Colour and depth images of a cell, drawn from snapshots on a thread of their own."""

import threading

import mujoco
import numpy as np

from vipa.errors import unknown
from vipa.robot.description import Camera
from vipa.robot.state import CameraFrame
from vipa_sim import geometry, gl
from vipa_sim.robot_model import HIDDEN, VISUAL
from vipa_sim.snapshot import Appearance, Snapshot

MAX_GEOMS = 500


class Renderer:
    """Draws a cell's cameras. Made, used and closed on ONE thread, which may be another than the cell's.

    Args:
        cell: the SimCell whose snapshots are drawn.
        pictures: shadows and smooth edges, for people; an image then takes several times as long.

    Raises:
        VipaError: where no off-screen OpenGL works.
    """

    def __init__(self, cell, pictures: bool = False):
        self._thread = threading.get_ident()
        self._intrinsics = {name: cell.camera_info(name)[0] for name in cell.cameras}
        # a model and data of our own: the cell's go on moving meanwhile
        self._model = cell.drawn_model()
        self._seen = self._model.geom_group == VISUAL
        self._mount(cell.cameras)
        self._data = mujoco.MjData(self._model)
        self._light = self._model.light_diffuse.copy()
        quality = self._model.vis.quality
        quality.offsamples = 4 if pictures else 0
        if not pictures:  # round things of fewer facets: a quarter of the time of a small image
            quality.numslices, quality.numstacks = 16, 8
        self._model.vis.map.shadowclip = 2.0  # the table's far corners too, else they are speckled
        self._context = gl.context(self._model.vis.global_.offwidth, self._model.vis.global_.offheight)
        self._mjr = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._mjr)
        # far is 0 in the depth buffer: float precision is then where distances are long
        self._mjr.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._scene = mujoco.MjvScene(self._model, maxgeom=MAX_GEOMS)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._scene.flags[flag] = pictures
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = 0
        self._option.geomgroup[VISUAL] = 1
        self._option.sitegroup[:] = 0
        self._appearance: Appearance | None = None
        self._posed: Snapshot | None = None

    def frame(self, snapshot: Snapshot, camera: str) -> CameraFrame:
        """What `camera` sees in `snapshot`: colour, depth in mm (0 outside its range), intrinsics and extrinsics."""
        if threading.get_ident() != self._thread:
            raise RuntimeError("a Renderer works only on the thread that made it")
        if camera not in self._intrinsics:
            raise unknown("camera", camera, self._intrinsics)
        self._pose(snapshot)
        described = self._cameras[camera]
        view = mujoco.MjvCamera()
        view.type = mujoco.mjtCamera.mjCAMERA_FIXED
        view.fixedcamid = self._model.camera(camera).id
        self._model.geom_group[:] = np.where(self._seen & self._in_view(view.fixedcamid, described), VISUAL, HIDDEN)
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self._model, self._data, self._option, None, view, everything, self._scene)
        rect = mujoco.MjrRect(0, 0, described.width, described.height)
        mujoco.mjr_render(rect, self._scene, self._mjr)
        color = np.empty((described.height, described.width, 3), dtype=np.uint8)
        depth = np.empty((described.height, described.width), dtype=np.float32)
        mujoco.mjr_readPixels(color, depth, rect, self._mjr)
        color, metres = np.ascontiguousarray(color[::-1]), self._metres(depth[::-1], described.depth_range)
        intrinsics, noise, stamp = self._intrinsics[camera].copy(), snapshot.noise, snapshot.stamp_ns
        if noise is None:
            millimetres = np.rint(metres * 1000.0).astype(np.uint16)
        else:
            color = noise.color(camera, stamp, color)
            specular, focal = self._specular(rect), intrinsics[0, 0]
            millimetres = noise.depth(camera, described.model, stamp, metres, specular, focal)
        return CameraFrame(
            camera,
            snapshot.stamp_of(camera),
            color,
            millimetres,
            intrinsics,
            self._extrinsics(view.fixedcamid),
        )

    def close(self) -> None:
        """Free the OpenGL context. The renderer is of no use afterwards."""
        if self._context is not None:
            self._mjr.free()
            self._context.free()
            self._context = None

    def _pose(self, snapshot: Snapshot) -> None:
        if snapshot is self._posed:
            return
        self._posed = snapshot
        self._data.qpos[:] = snapshot.qpos
        if snapshot.cameras is not self._cameras:
            self._mount(snapshot.cameras)
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        if snapshot.appearance is not self._appearance:
            self._dress(snapshot.appearance)

    def _mount(self, cameras: dict[str, Camera]) -> None:
        for name, camera in cameras.items():
            mount = self._model.camera(name)
            mount.pos[:], mount.quat[:] = camera.position, geometry.camera_quat(camera.rpy)
        self._cameras = cameras

    def _dress(self, appearance: Appearance) -> None:
        for name, rgba in appearance.materials.items():
            self._model.material(name).rgba[:] = rgba
        before = self._appearance.textures if self._appearance else {}
        for name, image in appearance.textures.items():
            if before.get(name) is image:
                continue
            texture = self._model.texture(name)
            start = int(texture.adr[0])
            self._model.tex_data[start : start + image.size] = image.ravel()
            mujoco.mjr_uploadTexture(self._model, self._mjr, texture.id)
        self._model.light_diffuse[:] = self._light * appearance.light
        self._appearance = appearance

    def _in_view(self, camera: int, described: Camera) -> np.ndarray:
        """(G,) bool: which geoms' bounding balls reach into what `camera` sees. OpenGL would work out every corner of the others, too."""
        model, data = self._model, self._data
        right, up, back = ((data.geom_xpos - data.cam_xpos[camera]) @ data.cam_xmat[camera].reshape(3, 3)).T
        half = np.radians(described.vertical_fov) / 2
        aside = np.arctan(np.tan(half) * described.width / described.height)
        beyond = np.maximum(
            np.abs(right) * np.cos(aside) + back * np.sin(aside), np.abs(up) * np.cos(half) + back * np.sin(half)
        )
        return (np.maximum(beyond, back) <= model.geom_rbound) | (model.geom_rbound == 0)  # a plane has no ball

    def _extrinsics(self, camera: int) -> np.ndarray:
        matrix = np.eye(4)
        matrix[:3, :3] = self._data.cam_xmat[camera].reshape(3, 3) @ geometry.OPTICAL_FROM_MUJOCO
        matrix[:3, 3] = self._data.cam_xpos[camera]
        return matrix

    def _metres(self, depth: np.ndarray, limits) -> np.ndarray:
        """(H, W) float32 distance along z from the buffer's values (1 near, 0 far); 0 outside `limits`."""
        near = self._model.vis.map.znear * self._model.stat.extent
        far = self._model.vis.map.zfar * self._model.stat.extent
        metres = depth * np.float32(far - near)  # 24 bits are enough: 0.3 µm at 2 m
        metres += np.float32(near)
        np.divide(np.float32(near * far), metres, out=metres)
        metres[(metres < limits[0]) | (metres > limits[1])] = 0
        return metres

    def _specular(self, rect: mujoco.MjrRect) -> np.ndarray:
        """(H, W) float32 0..1: how much of a mirror what is seen is, of the scene as it was drawn last."""
        for on in (1, 0):
            for flag in (mujoco.mjtRndFlag.mjRND_SEGMENT, mujoco.mjtRndFlag.mjRND_IDCOLOR):
                self._scene.flags[flag] = on
            if on:
                mujoco.mjr_render(rect, self._scene, self._mjr)
        codes = np.empty((rect.height, rect.width, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(codes, None, rect, self._mjr)
        drawn = self._scene.geoms[: self._scene.ngeom]
        specular = np.zeros(1 + max((g.segid for g in drawn), default=0) + 1, np.float32)  # 0: nothing was drawn there
        for geom in drawn:
            specular[geom.segid + 1] = geom.specular
        return specular[codes[::-1].astype(np.int32) @ [1, 1 << 8, 1 << 16]]
