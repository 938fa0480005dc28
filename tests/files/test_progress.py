"""Where a bar is drawn, and where lines are told instead."""

import io
import sys
import types

from tfrec_fusion.progress import progress_bar, tell_progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_a_terminal_has_a_bar_and_a_log_has_none(monkeypatch):
    for stream, is_drawn in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        with progress_bar(total=3) as bar:
            assert bar.disable is not is_drawn
            bar.update(3)
        assert ("3/3" in stream.getvalue()) is is_drawn
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert progress_bar(show=False, total=3).disable


def test_a_notebook_without_widgets_is_told_lines_and_no_warning(monkeypatch, recwarn):
    shell = types.SimpleNamespace(config={"IPKernelApp": {}})
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    for name in [one for one in sys.modules if one.startswith("tqdm.auto")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert progress_bar(total=3).disable
    assert not [one for one in recwarn if "IProgress" in str(one.message)]


def test_a_line_is_there_at_once(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stderr", stream)
    tell_progress("epoch 1/2")
    assert stream.buffer.getvalue() == b"epoch 1/2\n"
    monkeypatch.setattr(sys, "stderr", None)
    tell_progress("nobody listens")
