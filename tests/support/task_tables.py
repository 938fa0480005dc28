"""Tables with ratings and reviews, and models of several tasks for them."""

import dataclasses

import numpy as np
from built_models import DATA, EVENTS, built, shared, with_tasks


def model_of(**choices):
    own = choices and built(("multi_task", with_tasks(**choices)))
    model = own or shared("tasks").model
    model.set_known(EVENTS)
    return model


TABLES = dataclasses.replace(
    DATA,
    train=EVENTS,
    validation=dataclasses.replace(
        DATA.validation, text=np.resize(EVENTS.text[:3], len(DATA.validation))
    ),
)
TINY = {
    **{"dim": 8, "text_components": 6, "history_length": 6, "pairs": 2, "review_length": 5},
    **{"language_dim": 4, "expert_units": (8,), "vocabulary_size": 262},
}
