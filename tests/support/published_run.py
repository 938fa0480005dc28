"""A run that is published into a folder of prebuilt models."""

from functools import partial

from quick_training import without_graphs, without_pictures  # noqa: F401 (fixtures)

import tfrec_fusion.zoo.prebuilt.publishing

publish = partial(tfrec_fusion.zoo.prebuilt.publishing.publish, include_events=True)
