"""What tests share: `from helpers.following import follow`. pytest puts the folder test/ on the path (pyproject.toml)."""
