"""Models: how nets, conditionals and objectives are put together."""
