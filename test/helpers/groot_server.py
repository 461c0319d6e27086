"""A GR00T server after gr00t/policy/server_client.py and the checks of gr00t_policy.py (Isaac-GR00T), without its model: ZMQ REP,
msgpack, arrays as .npy; it answers with the joint positions it was shown, and keeps what it was asked."""

import io
import threading

import msgpack
import numpy as np
import zmq

MODALITIES = {
    "video": {"delta_indices": [-15, 0], "modality_keys": ["exterior_image_1_left", "wrist_image_left"]},
    "state": {"delta_indices": [0], "modality_keys": ["eef_9d", "gripper_position", "joint_position"]},
    "action": {"delta_indices": list(range(8)), "modality_keys": ["eef_9d", "gripper_position", "joint_position"]},
    "language": {"delta_indices": [0], "modality_keys": ["annotation.language.language_instruction"]},
}
STEPS = 8
AXES = ["x", "y", "z", "roll", "pitch", "yaw", "gripper"]
LIBERO = {  # embodiment libero_sim
    "video": {"delta_indices": [0], "modality_keys": ["image", "wrist_image"]},
    "state": {"delta_indices": [0], "modality_keys": AXES},
    "action": {"delta_indices": list(range(16)), "modality_keys": AXES},
    "language": {"delta_indices": [0], "modality_keys": ["annotation.human.action.task_description"]},
}


def same_joints(observation):
    """DROID's action that stays where it is."""
    joints = np.repeat(observation["state"]["joint_position"], STEPS, axis=1)
    return {
        "joint_position": joints, "gripper_position": np.ones((1, STEPS, 1), np.float32), "eef_9d": np.zeros((1, STEPS, 9), np.float32),
    }  # fmt: skip


def decode(value):
    if "__ndarray_class__" in value:
        return np.load(io.BytesIO(value["as_npy"]), allow_pickle=False)
    return value


def encode(value):
    if isinstance(value, np.ndarray):
        file = io.BytesIO()
        np.save(file, value, allow_pickle=False)
        return {"__ndarray_class__": True, "as_npy": file.getvalue()}
    return value


def check_observation(observation, modalities):
    """The assertions of Gr00tPolicy.check_observation."""
    for modality in ("video", "state", "language"):
        assert isinstance(observation[modality], dict)
    for key in modalities["video"]["modality_keys"]:
        video = observation["video"][key]
        assert video.dtype == np.uint8 and video.ndim == 5 and video.shape[-1] == 3 and len(video) == 1
        assert video.shape[1] == len(modalities["video"]["delta_indices"]), "video horizon"
    for key in modalities["state"]["modality_keys"]:
        state = observation["state"][key]
        assert state.dtype == np.float32 and state.ndim == 3 and state.shape[:2] == (1, 1)
    for key in modalities["language"]["modality_keys"]:
        text = observation["language"][key]
        assert isinstance(text, list) and len(text) == 1 and isinstance(text[0], list) and isinstance(text[0][0], str)


class GrootServer:
    """Serves in a thread until closed. gate: closed, it does not answer get_action. act: the action of an observation."""

    def __init__(self, token=None, modalities=None, port=None, act=same_joints):
        self.token, self.modalities, self.act = token, modalities or MODALITIES, act
        self.asked, self.gate, self.began = [], threading.Event(), threading.Event()
        self.gate.set()
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        if port is None:
            self.port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        else:
            self.port = port
            self.socket.bind(f"tcp://127.0.0.1:{port}")
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while True:
            try:
                request = msgpack.unpackb(self.socket.recv(), object_hook=decode)
            except zmq.ContextTerminated:
                self.socket.close()
                return
            try:
                result = self.answer(request)
            except Exception as error:  # noqa: BLE001
                result = {"error": str(error) or type(error).__name__}
            try:
                self.socket.send(msgpack.packb(result, default=encode))
            except zmq.ContextTerminated:
                self.socket.close()
                return

    def answer(self, request):
        if self.token is not None and request.get("api_token") != self.token:
            return {"error": "Unauthorized: Invalid API token"}
        match request.get("endpoint", "get_action"):
            case "ping":
                return {"status": "ok", "message": "Server is running"}
            case "get_modality_config":
                return {k: {"__ModalityConfig_class__": True, "as_json": v} for k, v in self.modalities.items()}
            case "get_action":
                return self.get_action(**request["data"])
        raise ValueError(f"Unknown endpoint: {request['endpoint']}")

    def get_action(self, observation, options=None):
        check_observation(observation, self.modalities)
        self.asked.append(observation)
        self.began.set()
        self.gate.wait(60)
        return self.act(observation), {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gate.set()
        self.context.term()
        self.thread.join(60)
        assert not self.thread.is_alive()
