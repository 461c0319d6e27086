"""What a person sees of an episode: video, report, statistics. No ROS."""
