"""What is looked at before anything moves."""
