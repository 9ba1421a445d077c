"""Nets: tensors in, tensors out. They know no probability. A file per kind: a new one changes no other's runs."""
