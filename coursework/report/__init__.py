"""From notebooks to pages: execution, build, checks, environment."""
