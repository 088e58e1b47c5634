"""What tests of plugins, and ours, are made with."""
