"""moveit.core.robot_state of the stand-in."""


class RobotState:
    def __init__(self, robot_model):
        self.robot_model, self.groups = robot_model, {}

    def set_joint_group_positions(self, joint_model_group_name, position_values):
        assert position_values.dtype == float
        self.groups[joint_model_group_name] = list(map(float, position_values))
