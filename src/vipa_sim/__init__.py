"""The simulated cell: robot, scene, cameras and ground truth in MuJoCo. Knows no ROS; nodes and the in-process loop drive it."""
