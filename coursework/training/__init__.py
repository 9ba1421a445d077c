"""One loop, its optimisers, checkpoints and progress."""
