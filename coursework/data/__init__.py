"""Data: named image sets, found on disk or downloaded, verified, and handed over as uint8 tensors."""

from coursework.data.images import ImageSet, load

__all__ = ["ImageSet", "load"]
