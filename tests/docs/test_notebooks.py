"""The notebooks: in step with their scripts, of one shape, run from end to end on small data."""

import ast
import re

import jupytext
import nbformat
import pandas as pd
import pytest
from checkout import ROOT, child_environment
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from warm_python import WarmPython

from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.evaluation.report import read_csv
from tfrec_fusion.serving.export.reload import FORBIDDEN
from tfrec_fusion.text.language_models.causal import GPT2Size, Schedule
from tfrec_fusion.text.pretraining.pretrain import pretrain, split_texts

COLAB = ROOT / "colab"
SCRIPTS = sorted(COLAB.glob("*.py"))
NAMES = [script.stem for script in SCRIPTS]
INLINE = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}  # not the tests' own
IMPORTED = (
    *("ipykernel.kernelapp", "tensorflow", "keras_hub", "tfrec_fusion.zoo.cli.demonstration"),
    *("tfrec_fusion.serving.local.server", "tfrec_fusion.serving.client", "sklearn.manifold"),
)


def notebook(name):
    return nbformat.read(COLAB / f"{name}.ipynb", as_version=4)


def cells(book, kind="code"):
    return [cell for cell in book.cells if cell.cell_type == kind]


def tagged(book, tag):
    return [cell for cell in cells(book) if tag in cell.metadata.get("tags", [])]


@pytest.mark.parametrize("name", NAMES)
def test_notebook_and_script_say_the_same(name):
    script = jupytext.read(COLAB / f"{name}.py")
    pairs = [(cell.cell_type, cell.source) for cell in script.cells]
    assert pairs == [(cell.cell_type, cell.source) for cell in notebook(name).cells], (
        "run `jupytext --sync colab/*.py`"
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_notebook_has_the_same_shape(name):
    book = notebook(name)
    code = cells(book)
    assert len(code) <= 15
    assert f"colab.research.google.com/github/tfrec-fusion/tfrec-fusion/blob/main/colab/{name}" in (
        cells(book, "markdown")[0].source
    )
    assert [code[0]] == tagged(book, "install") and "Devices:" in code[0].source
    assert [code[1]] == tagged(book, "parameters")
    for cell in code:
        assert not cell.outputs and cell.execution_count is None, "keep outputs out"
        plain = re.sub(r"^[!%].*$", "", cell.source, flags=re.MULTILINE)
        tree = ast.parse(plain)
        defined = (ast.FunctionDef, ast.ClassDef, ast.Lambda)
        assert not any(isinstance(node, defined) for node in ast.walk(tree))


def test_the_scripts_are_the_notebooks_of_the_folder():
    assert sorted(path.stem for path in COLAB.glob("*.ipynb")) == NAMES


def assigned(source):
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


START = """
import pandas
from ipykernel.kernelapp import launch_new_instance
pandas.options.display.max_columns = 20  # as where it is imported by a kernel
launch_new_instance()
"""


class WarmKernels(KernelSpecManager):
    """Kernels that need not import what every notebook does."""

    python = None

    def get_kernel_spec(self, kernel_name):
        command = [str(self.python.path), "-c", START, "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name=kernel_name, language="python")


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("python")
    with WarmPython(folder, IMPORTED, absent=FORBIDDEN, **INLINE) as python:
        found = WarmKernels()
        found.python = python
        yield found


@pytest.fixture
def executed(kernels, tmp_path):
    """Runs a notebook with other parameters; its cells then have what they show."""

    def run(name, **parameters):
        book = notebook(name)
        place = book.cells.index(tagged(book, "parameters")[0]) + 1
        lines = "\n".join(f"{key} = {value!r}" for key, value in parameters.items())
        assert assigned(lines) <= assigned(book.cells[place - 1].source)
        book.cells.insert(place, nbformat.v4.new_code_cell(lines))
        manager = AsyncKernelManager(kernel_spec_manager=kernels)
        where = {"metadata": {"path": str(tmp_path)}}
        client = NotebookClient(book, km=manager, timeout=600, resources=where)
        client.execute(env=child_environment(**INLINE), cleanup_kc=True)
        return book

    return run


def shown(book, kind="text/plain"):
    found = []
    for cell in cells(book):
        for output in cell.outputs:
            if output.output_type == "stream" and kind == "text/plain":
                found.append(output.text)
            elif output.output_type in ("display_data", "execute_result"):
                found += [output.data[kind]] if kind in output.data else []
    return found


def pictures(book):
    return len(shown(book, "image/svg+xml")) + len(shown(book, "image/png"))


def test_quickstart(executed):
    book = executed("01_quickstart", MAPPED=150)
    text = "\n".join(shown(book))
    assert "gpt2_hybrid.ml_latest_small" in text and "NDCG@10" in text
    assert len(shown(book, "text/html")) >= 4  # the models, two lists, a wish
    assert "High Noon" in text
    assert pictures(book) == 3
    assert "Popularity bias" in text


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Small tables as somebody's own folder: events with reviews, items and a graph."""
    path = tmp_path_factory.mktemp("data") / "films"
    path.mkdir()
    tables = generate(40, 30, 600, seed=2, with_graph=True)
    titles = tables.items.set_index("item_id")["title"]
    events = zip(tables.interactions["item_id"], tables.interactions["rating"], strict=True)
    said = [f"{'liked' if stars > 3 else 'not for me:'} {titles[item]}" for item, stars in events]
    tables.interactions.assign(text=said).to_csv(path / "interactions.csv", index=False)
    for name in ("items", "graph"):
        getattr(tables, name).to_csv(path / f"{name}.csv", index=False)
    return path


@pytest.fixture(scope="module")
def preset(folder, tmp_path_factory):
    """A tiny GPT-2 that has seen the texts once; vectors go to a cache of their own."""
    path = tmp_path_factory.mktemp("presets") / "gpt2"
    texts = pd.read_csv(folder / "items.csv")["text"].tolist()
    size = GPT2Size(270, num_layers=1, num_heads=1, hidden_dim=8, max_length=32)
    schedule = Schedule(epochs=1, batch_size=8)
    pretrain(split_texts(texts), path, size=size, schedule=schedule, progress=False)
    patch = pytest.MonkeyPatch()
    patch.setenv("TFREC_FUSION_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield str(path)
    patch.undo()


def one_with(texts, *words):
    """The shown text that has all these words in it."""
    (found,) = [text for text in texts if all(word in text for word in words)]
    return found


def test_your_own_data(folder, executed, tmp_path):
    sizes = {"EPOCHS": 2, "DIM": 8, "HISTORY": 10}
    book = executed("02_your_own_data", DATA=str(folder), USER="u07", **sizes)
    texts = shown(book)
    assert "RecData(my films: 600 interactions, 40 users, 30 items)" in texts
    error = one_with(texts, "ValueError:")
    assert "'no such film'" in error and "rows 3, 7" in error and "Add them to `items`" in error
    counts = [int(one) for one in re.findall(r"(?:train|validation|test) +(\d+)", "\n".join(texts))]
    assert sum(counts) == 600 and min(counts) > 40
    assert "Best of 2 epochs" in "\n".join(texts)
    curves, bars = shown(book, "image/svg+xml")
    assert "NDCG@10" in curves and "epoch" in curves
    assert all(name in bars for name in ("popularity (classic)", "ease (classic)", "two_tower"))
    assert "interval-ndcg@10-2" in bars  # the model's whisker
    assert "report.html" in one_with(texts, "metrics.csv")
    rows = read_csv(tmp_path / "my_two_tower" / "metrics.csv")
    assert all(0 < row.metrics["ndcg@10"] < 1 and row.intervals["ndcg@10"] for row in rows)
    assert "two_tower on my films" in (tmp_path / "my_two_tower/report.html").read_text("utf-8")
    assert "recommend_from_history" in one_with(texts, "MB, ")
    assert "canary, stable" in one_with(texts, "max_abs_difference")
    served, best = one_with(texts, "somebody never seen"), one_with(texts, "item_id", "score")
    titles = re.findall(r"[A-Z][a-z]+ [a-z]+ \d+", best)[:5]
    assert len(titles) == 5 and all(title in served for title in titles)


SMALL = {"dim": 8, "text_components": 8, "history_length": 10}


def test_text_hybrid(folder, preset, executed):
    book = executed(
        "03_text_hybrid",
        **{"DATA": str(folder), "PRESET": preset, "EPOCHS": 1, "SIZES": SMALL},
        **{"MODELS": ["ids and texts", "LoRA"], "ITEM": "i05", "USER": "u07"},
        NEW_TEXT="Lululu badaba",
    )
    texts = shown(book)
    assert "30 texts as vectors of length 8. Nearest to: " in "\n".join(texts)
    nearest, best = [one for one in texts if "item_id" in one and "score" in one]
    assert re.search(r"^0 +i05 .* 1\.0", nearest, re.MULTILINE)  # nothing is nearer than itself
    assert len(set(re.findall(r"\bi\d\d\b", best))) == 5
    said = "\n".join(texts)
    assert "text_hybrid: best of 1 epochs" in said and "text_hybrid frozen: best of 1" in said
    curves, bars, why = shown(book, "image/svg+xml")
    assert all(name in curves for name in ("ids and texts, validation", "LoRA, validation"))
    rows = [f"interval-{metric}-{row}" for metric in ("ndcg@10", "recall@20") for row in range(4)]
    assert all(row in bars for row in rows) and "popularity (classic)" in bars
    median = float(re.search(r"Its place among 30, median: (\d+)", said)[1])
    places = [int(one) for one in re.findall(r"u\d\d +(\d+) ", one_with(texts, "took last"))]
    assert len(places) == 8 and 1 <= places[0] <= places[-1] <= median <= 31
    assert places == sorted(places)
    reasons = one_with(texts, "past items, and by how much")
    effects = [float(one) for one in re.findall(r"^  ([+-]\d\.\d+)  ", reasons, re.MULTILINE)]
    assert "words of the text" in reasons and len(effects) == 10 and any(effects)
    assert "past items" in why and "words" in why


def test_multi_task_and_graph(folder, preset, executed):
    reader = {"vocabulary_size": 270, "language_dim": 8, "language_layers": 1, "review_length": 8}
    tasks = {**reader, "num_experts": 2, "expert_units": (8,)}
    book = executed(
        "04_multi_task_and_graph",
        **{"DATA": str(folder), "PRESET": preset, "EPOCHS": 1, "USER": "u07"},
        **{"SIZES": SMALL, "TASKS": tasks},
    )
    texts = shown(book)
    said = "\n".join(texts)
    assert "60 triples): the next item, and rating, sentiment, next_token" in said
    assert "multi_task: best of 1 epochs" in said and "text_hybrid: best of 1 epochs" in said
    curves, bars, why = shown(book, "image/svg+xml")
    for task in ("Logits", "Rating", "Sentiment", "Next token"):
        assert f"{task} loss" in curves and f"{task} weight" in curves
    assert all(name in curves for name in ("NDCG@10", "RMSE", "Perplexity"))
    rated = one_with(texts, "given", "expected")
    pairs = re.findall(r"(\d\.\d) +(\d\.\d+)$", rated, re.MULTILINE)
    assert pairs and all(1 <= float(given) <= 5 and 0 < float(one) < 6 for given, one in pairs)
    assert len(shown(book, "image/png")) == 1  # the gates
    assert all(f"interval-ndcg@10-{row}" in bars for row in range(4))
    assert "multi_task" in bars and "text_hybrid" in bars
    assert re.search(r"maker +30", one_with(texts, "relation_id"))
    reasons = one_with(texts, "paths of the graph, and by how much")
    assert re.search(r"[+-]\d\.\d+  .*--(genre|maker)--> .*\(attention 0?\.?\d", reasons)
    assert "graph paths" in why and "past items" in why


def test_serving(executed):
    book = executed("05_serving", REQUESTS=40, THREADS=[1, 4])
    text = "\n".join(shown(book))
    assert "savedmodels/films/1, largest difference" in text
    assert "docker-compose.yaml" in text and "1/saved_model.pb" in text
    assert re.search(r"films/1 .*: 12 signatures; \d+ warm-up records", text)
    tables = "\n".join(shown(book, "text/html"))
    assert tables.count("<table") == 4  # a user, a history, nobody, the load
    assert pictures(book) == 1
    assert re.search(r"VersionState\(version=2.*AVAILABLE", text)


def test_many_devices(executed):
    sizes = {"NUM_USERS": 300, "NUM_ITEMS": 200, "NUM_EVENTS": 6000, "BATCH_SIZE": 1024}
    book = executed("06_many_devices", **sizes, EPOCHS=2)
    text = "\n".join(shown(book))
    one, two = (
        float(re.search(rf"{name}, {count} replicas: loss (\d\.\d+)", text)[1])
        for name, count in (("none", 1), ("mirrored", 2))
    )
    assert one == pytest.approx(two, abs=0.02)
    said = re.findall(r"worker \d: (2 replicas, loss \S+, sum of weights \S+)", text)
    assert len(said) == 2 and said[0] == said[1]
    assert pictures(book) == 1
