"""What differs between two trainings, told with old and new values."""

from tfrec_fusion.zoo.runs.differences import differences


def test_only_what_differs_is_told_with_both_values():
    old = {"model": "gmf", "options": {"seed": 0, "epochs": None}, "hyperparameters": {"dim": 8}}
    new = {"model": "gmf", "options": {"seed": 1, "epochs": 3}, "hyperparameters": {}}
    assert differences(old, new) == [
        "hyperparameters: `dim` was 8, is now not given",
        "options: `epochs` was not given, is now 3",
        "options: `seed` was 0, is now 1",
    ]
    assert differences(new, new) == []


def test_changed_data_and_another_start_are_told_without_their_sums():
    old, new = {"checksum": "a" * 64}, {"checksum": "b" * 64, "start": "c" * 64}
    assert differences(old, new) == [
        f"the data changed (checksum {'a' * 12}, now {'b' * 12})",
        "it starts from another model",
    ]
