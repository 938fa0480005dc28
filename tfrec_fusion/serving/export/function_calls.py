"""Calls in a graph: which functions a saver alone runs, and where an asset's path ends up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, TypeAlias

from tensorflow.core.protobuf import meta_graph_pb2

Node: TypeAlias = Any  # a NodeDef, of whose fields there are no types
TOP = ""  # the place of nodes that are in no function
CALLS = ("PartitionedCall", "StatefulPartitionedCall")
PASSES = ("Identity", "IdentityN")
OF_VARIABLES = ("AssignVariableOp", "ReadVariableOp", "VarIsInitializedOp")


class CallGraph:
    """The calls of a SavedModel's graph.

    Args:
        meta: One graph of the SavedModel.
    """

    def __init__(self, meta: meta_graph_pb2.MetaGraphDef) -> None:
        self._meta = meta
        self.functions: dict[str, Any] = {
            one.signature.name: one for one in meta.graph_def.library.function
        }
        self._top = {node.name: node for node in meta.graph_def.node}

    def places(self) -> Iterator[tuple[str, Sequence[Node]]]:
        """Each function's name and nodes, and the nodes outside of functions under `""`."""
        yield TOP, self._meta.graph_def.node
        for name, function in self.functions.items():
            yield name, function.node_def

    def is_saver(self, place: str, node: Node) -> bool:
        """Whether a node saves or restores where the server says, and nothing else runs it."""
        if place not in self._saver_functions:
            return False
        return node.op != "RestoreV2" or self._argument(place, node.input[0]) == 0

    def is_asset(self, place: str, tensor: str, depth: int = 0) -> bool:
        """Whether a tensor can only be the path of an asset of the SavedModel."""
        if depth > len(self.functions):
            return False
        if place == TOP:
            source = self._source(TOP, tensor)
            return source in self._assets or self._is_variable_of_asset(source)
        argument = self._argument(place, tensor)
        if argument is None:
            return False
        callers = self._callers(place)
        direct = all(node.op in (*CALLS, place) for _, node in callers)
        inputs = (
            [(where, _data_inputs(node)[argument]) for where, node in callers] if direct else []
        )
        given = [self.is_asset(where, one, depth + 1) for where, one in inputs]
        if place in self._meta.object_graph_def.concrete_functions:
            given.append(self._is_bound_asset(place, argument))
        return direct and bool(given) and all(given)

    @cached_property
    def _assets(self) -> set[str]:
        return {asset.tensor_info.name.partition(":")[0] for asset in self._meta.asset_file_def}

    def _is_variable_of_asset(self, name: str) -> bool:
        """Whether a node reads a variable that only ever holds the path of an asset."""
        node = self._top.get(name)
        if node is None or node.op != "ReadVariableOp":
            return False
        handle = self._top.get(_node_of(node.input[0]))
        if handle is None or handle.op != "VarHandleOp":
            return False
        variables = [one for _, nodes in self.places() for one in nodes if one.op == handle.op]
        if sum(_shared_name(one) == _shared_name(handle) for one in variables) != 1:
            return False  # a second way to it
        users = [
            one for one in self._top.values() if handle.name in map(_node_of, _data_inputs(one))
        ]
        assigned = [one for one in users if one.op == "AssignVariableOp"]
        return (
            all(one.op in OF_VARIABLES for one in users)
            and bool(assigned)
            and all(self._source(TOP, one.input[1]) in self._assets for one in assigned)
        )

    @cached_property
    def _saver_functions(self) -> frozenset[str]:
        """Functions that the saver calls on the file that it is given, and nobody else."""
        saver = self._meta.saver_def
        named = (saver.save_tensor_name, saver.restore_op_name)
        nodes = {one.partition(":")[0] for one in named if one} & set(self._top)
        file = saver.filename_tensor_name.partition(":")[0]
        for name in list(nodes):
            inputs = _data_inputs(self._top[name])
            given = self._top.get(file)
            fed = given is not None and given.op == "Placeholder"
            if not fed or not inputs or self._source(TOP, inputs[0]) != file:
                nodes.discard(name)
        nodes -= {_node_of(one) for node in self._top.values() for one in node.input}
        for signature in self._meta.signature_def.values():
            tensors = (*signature.inputs.values(), *signature.outputs.values())
            nodes -= {_node_of(one.name) for one in tensors}
        for collection in self._meta.collection_def.values():
            nodes -= {_node_of(one) for one in collection.node_list.value}
        own = {called for name in nodes for called in self._called(self._top[name])}
        # What a server may put in the place of another function is never the saver's alone.
        own -= {name for name in own if "api_implements" in self.functions[name].attr}
        begin = {*self._meta.object_graph_def.concrete_functions, *self.functions.keys() - own}
        for node in (node for name, node in self._top.items() if name not in nodes):
            begin |= self._called(node)
        for name in own:
            begin |= {one for node in self.functions[name].node_def for one in self._called(node)}
        return frozenset(own - self._closure(begin))

    def _closure(self, names: Iterable[str]) -> set[str]:
        """Functions that are called, directly or not, when those of these names are."""
        waiting, found = [name for name in names if name in self.functions], set[str]()
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                nodes = self.functions[name].node_def
                waiting += [called for node in nodes for called in self._called(node)]
        return found

    def _called(self, node: Node) -> set[str]:
        names = {node.op, *(name for value in node.attr.values() for name in _functions_in(value))}
        return names & self.functions.keys()

    def _callers(self, function: str) -> list[tuple[str, Node]]:
        return [
            (place, node)
            for place, nodes in self.places()
            for node in nodes
            if function in self._called(node)
        ]

    def _is_bound_asset(self, function: str, argument: int) -> bool:
        """Whether an argument is one that loading binds to an asset."""
        objects = self._meta.object_graph_def
        bound = objects.concrete_functions[function].bound_inputs
        place = argument - (len(self.functions[function].signature.input_arg) - len(bound))
        if not 0 <= place < len(bound) or bound[place] >= len(objects.nodes):
            return False
        return objects.nodes[bound[place]].WhichOneof("kind") == "asset"

    def _argument(self, function: str, tensor: str) -> int | None:
        """Which argument of a function a tensor is, None when it is none."""
        names = [one.name for one in self.functions[function].signature.input_arg]
        source = self._source(function, tensor)
        return names.index(source) if source in names else None

    def _source(self, place: str, tensor: str) -> str:
        """The name that a tensor comes from when nodes that only pass it on are left out."""
        if place == TOP:
            nodes = self._top
        else:
            nodes = {node.name: node for node in self.functions[place].node_def}
        name = _node_of(tensor)
        for _ in range(len(nodes)):
            if name not in nodes or nodes[name].op not in PASSES:
                break
            inputs = _data_inputs(nodes[name])
            if len(inputs) != 1:
                break
            name = _node_of(inputs[0])
        return name


def _node_of(tensor: str) -> str:
    return tensor.lstrip("^").partition(":")[0]


def _shared_name(variable: Node) -> bytes:
    return variable.attr["shared_name"].s or variable.name.encode()


def _data_inputs(node: Node) -> list[str]:
    return [one for one in node.input if not one.startswith("^")]


def _functions_in(value: Any) -> Iterator[str]:
    """Names of functions in an attribute, however deep."""
    for one in (value.func, *value.list.func):
        if one.name:
            yield one.name
            for inner in one.attr.values():
                yield from _functions_in(inner)
