from tfrec_fusion.data.sources import reading


def test_a_public_data_set_is_read_from_the_local_copy(monkeypatch, tmp_path):
    read = []
    monkeypatch.setattr(reading, "load", lambda name, data_dir: read.append((name, data_dir)))
    reading.read_tables("movielens-100k", tmp_path)
    reading.read_tables("movielens-100k")
    assert read == [("movielens-100k", tmp_path), ("movielens-100k", None)]
