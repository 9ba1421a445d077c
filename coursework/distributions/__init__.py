"""Laws: families of distributions with their constraints, priors and divergences."""
