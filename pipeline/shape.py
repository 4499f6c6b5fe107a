"""The stages of a config linked by their inputs, and every reason why they would not work.

What a valid shape means in rings and processes is the topology's business.
"""

from collections.abc import Sequence

from pipeline.catalogue import KINDS, KindEntry, Port
from pipeline.config import nearest
from pipeline.places import KeyPath, Problem
from pipeline.schema import Config, StageConfig


class Node:
    """One stage of the config and its neighbours."""

    def __init__(self, index: int, stage: StageConfig) -> None:
        self.path: KeyPath = ("stages", index)
        self.stage = stage
        self.name = stage.name
        self.entry: KindEntry = KINDS[stage.kind]
        self.input: Node | None = None
        self.readers: list[Node] = []

    @property
    def gate(self) -> "Node | None":
        """The cacher whose misses this stage draws, if there is one."""
        return self.input if self.input and self.input.entry.is_gate else None

    def segment(self, session: str, port: Port) -> str:
        return f"aya-{session}-{self.name}-{port[0]}"

    def frame_writers(self) -> "tuple[Node, ...]":
        """The stages whose frames together answer every pose that reaches this stage."""
        return (self, self.gate) if self.gate else (self,)


class Shape:
    """The stages linked by their inputs, with everything that cannot work."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.problems: list[Problem] = []
        self.nodes = [Node(index, stage) for index, stage in enumerate(config.stages)]
        self.output: Node | None = None
        self._refuse_equal_names()
        for index, node in enumerate(self.nodes):
            self._link(index, node)
        self._find_output()
        self._link_sinks()
        self._refuse_cycles()
        for node in self.nodes:
            self._refuse_wrong_input(node)
        for node in self.nodes:
            self._refuse_unanswered_gate(node)
            self._refuse_few_slots(node)
        self._refuse_missing_source()
        self._refuse_equal_endpoints()

    def _refuse(self, node: Node, key: str, message: str, value: object = None) -> None:
        self.problems.append(self.config.problem((*node.path, key), message, value))

    def _refuse_equal_names(self) -> None:
        seen: set[str] = set()
        for node in self.nodes:
            if node.name in seen:
                self._refuse(node, "name", "another stage has this name", node.name)
            seen.add(node.name)

    def _link(self, index: int, node: Node) -> None:
        """Find the stage that `node` reads."""
        wanted = node.stage.input
        if node.entry.takes == "nothing":
            if wanted is not None:
                message = f'kind "{node.stage.kind}" reads no stage; leave this out'
                self._refuse(node, "input", message, wanted)
            return
        if wanted is None and node.entry.is_sink:
            return
        if wanted is None:
            before = [other for other in self.nodes[:index] if not other.entry.is_sink]
            node.input = before[-1] if before else None
            if node.input is None:
                message = f"is missing: no stage stands before it to give it {node.entry.takes}"
                self._refuse(node, "input", message)
        elif wanted == node.name:
            self._refuse(node, "input", "a stage cannot read itself", wanted)
        else:
            node.input = self._named(node, wanted)
        if node.input:
            node.input.readers.append(node)

    def _link_sinks(self) -> None:
        """A sink that names no input shows what other programs are given."""
        for node in self.nodes:
            if node.entry.is_sink and node.stage.input is None and self.output is not None:
                node.input = self.output
                self.output.readers.append(node)

    def _named(self, node: Node, name: str) -> Node | None:
        found = next((other for other in self.nodes if other.name == name), None)
        if found is None:
            names = [other.name for other in self.nodes if other is not node]
            message = f"no such stage{nearest(name, names)}; stages: {listed(names)}"
            self._refuse(node, "input", message, name)
        return found

    def _refuse_cycles(self) -> None:
        done: set[int] = set()
        for start in self.nodes:
            chain: list[Node] = []
            node: Node | None = start
            while node and id(node) not in done:
                done.add(id(node))
                chain.append(node)
                node = node.input
            if node in chain:
                names = [other.name for other in chain[chain.index(node) :]]
                way = " reads ".join([*names, names[0]])
                self._refuse(start, "input", f"the stages go round in a circle: {way}")

    def _refuse_wrong_input(self, node: Node) -> None:
        source = node.input
        if source is None:
            return
        takes = node.entry.takes
        if takes == "frames" and source.entry.is_gate:
            avatars = [reader.name for reader in source.readers if reader.entry.takes == "poses"]
            naming = f' ("{avatars[0]}")' if avatars else ""
            message = f"a cacher gives only frames it has stored; name the avatar behind it{naming}"
            self._refuse(node, "input", f"{message}, and the stored ones come too", source.name)
        elif takes not in source.entry.gives:
            able = [n.name for n in self.nodes if takes in n.entry.gives and n is not node]
            given = " and ".join(source.entry.gives) or "nothing"
            message = f'gives {given}, but kind "{node.stage.kind}" reads {takes}; '
            message += f"stages that give {takes}: {listed(able)}"
            self._refuse(node, "input", message, source.name)
        elif node.entry.is_gate and source.entry.is_gate:
            self._refuse(node, "input", "a cacher cannot stand behind a cacher", source.name)

    def _refuse_unanswered_gate(self, node: Node) -> None:
        """A gate needs exactly one stage that answers what it passes on."""
        if not node.entry.is_gate:
            return
        pose_readers = [reader for reader in node.readers if reader.entry.takes == "poses"]
        if not pose_readers:
            message = "no avatar reads this cacher, so that nothing answers the poses it misses"
            self._refuse(node, "kind", message)
        avatars = [reader for reader in pose_readers if not reader.entry.is_gate]
        for avatar in avatars[1:]:
            message = f'a cacher serves one avatar, and this one has "{avatars[0].name}" already'
            self._refuse(avatar, "input", message, node.name)

    def _refuse_few_slots(self, node: Node) -> None:
        least = getattr(node.stage.options, "least_slots", 0)
        if node.stage.slots < least:
            message = f"allowed is at least {least}: the frames made at once, and the one on show"
            self._refuse(node, "slots", message, node.stage.slots)

    def _refuse_missing_source(self) -> None:
        if not any(node.entry.takes == "nothing" for node in self.nodes):
            sources = [kind for kind, entry in KINDS.items() if entry.takes == "nothing"]
            message = f"no stage gives poses; add one of kind {listed(sources)}"
            self.problems.append(self.config.problem(("stages",), message))

    def _refuse_equal_endpoints(self) -> None:
        owners: dict[str, Node] = {}
        for node in self.nodes:
            endpoint = getattr(node.stage.options, "endpoint", None)
            if endpoint is None or endpoint.endswith(":0"):
                continue
            owner = owners.setdefault(endpoint, node)
            if owner is not node:
                path: KeyPath = (*node.path, "options", "endpoint")
                message = f'"{owner.name}" has this address; choose another port'
                self.problems.append(self.config.problem(path, message, endpoint))

    def _find_output(self) -> None:
        """Find the stage whose frames other programs are given."""
        able = [n for n in self.nodes if "frames" in n.entry.gives and not n.entry.is_gate]
        wanted = self.config.session.output
        if not able:
            message = "no stage gives frames; add one of kind avatar"
            self.problems.append(self.config.problem(("stages",), message))
        elif wanted is None:
            self._find_end(able)
        else:
            self.output = next((node for node in able if node.name == wanted), None)
            if self.output is None:
                names = [node.name for node in able]
                message = f"allowed is a stage that gives frames: {listed(names)}"
                message += nearest(wanted, names)
                problem = self.config.problem(("session", "output"), message, wanted)
                self.problems.append(problem)

    def _find_end(self, able: Sequence[Node]) -> None:
        ends = [n for n in able if all(reader.entry.is_sink for reader in n.readers)]
        self.output = ends[0] if ends else None
        if len(ends) > 1:
            names = listed([node.name for node in ends])
            message = f"is missing: several stages end the pipeline; name one: {names}"
            self.problems.append(self.config.problem(("session", "output"), message))


def listed(names: Sequence[str]) -> str:
    """Write names one after another."""
    return ", ".join(names) or "none"
