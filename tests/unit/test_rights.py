"""The table of rights says neither less nor more than what the code asks the cluster's API for."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kubernetes import client

from harness import rights
from harness.allowed import KINDS, _functions
from harness.errors import UsageError
from harness.experiment import Experiment, check, load
from harness.kube import Right
from harness.settings import ROOT, Settings
from tests.unit.plans import activity, experiment

APIS = {
    "_core": client.CoreV1Api,
    "_apps": client.AppsV1Api,
    "_discovery": client.DiscoveryV1Api,
    "_custom": client.CustomObjectsApi,
    "_version": client.VersionApi,
    "_api": client.CoordinationV1Api,
}
DOOR = ("kube.client", "kube.changes", "kube.leases", "kube.source", "kube.nodes", "kube.power", "kube.firewall")
FAULTS = tuple(f"chaos.{path.stem}" for path in (ROOT / "harness" / "chaos").glob("[a-z]*.py"))
MODULES = (
    *DOOR,
    "kube.permit",
    *FAULTS,
    "stack.access",
    "lease",
    "preflight",
    "observe.watcher",
    "observe.follow",
    "observe.pod_logs",
)
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
METALLB = "list servicel2statuses.metallb.io"  # of any kind, so its path does not name it
ENTERS = "docker"
OWNERS = {"change": "Changes", "leases": "Leases", "_leases": "Leases", "aims": "Aims"}
Key = tuple[str, str]
# What parts of the door are handed as functions.
HANDED = {"_guard": ("kube.client", "Kube.guard"), "_ask": ("kube.client", "Kube._namespace")}


class Code:
    """What each function asks the API for, by its source: itself, and by those that it calls."""

    def __init__(self) -> None:
        self.functions: dict[Key, ast.AST] = {}
        self.methods: dict[str, list[Key]] = {}
        self.imported: dict[str, dict[str, str]] = {}
        for name in MODULES:
            tree = ast.parse((ROOT / "harness" / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8"))
            self.imported[name] = dict(_imports(tree))
            for node in tree.body:
                if isinstance(node, ast.FunctionDef):
                    self.functions[name, node.name] = node
                elif isinstance(node, ast.ClassDef):
                    self._methods_of(name, node)

    def _methods_of(self, module: str, of: ast.ClassDef) -> None:
        for node in of.body:
            if isinstance(node, ast.FunctionDef):
                self.functions[module, f"{of.name}.{node.name}"] = node
                self.methods.setdefault(node.name, []).append((module, f"{of.name}.{node.name}"))

    def asks(self, *starts: Key, without: tuple[str, ...] = ()) -> set[str]:
        """`verb resource.group` of all calls that these come to, but for those through modules that are left out."""
        todo, seen, found = list(starts), set(starts), set[str]()
        while todo:
            key = todo.pop()
            for node in ast.walk(self.functions[key]):
                found |= set(_api_call(node))
                for called in self._called(key, node):
                    if called not in seen and called[0] not in without:
                        seen.add(called)
                        todo.append(called)
            if key[0] in ("kube.nodes", "kube.power", "kube.firewall"):
                found.add(ENTERS)
        return found

    def of(self, module: str) -> list[Key]:
        return [key for key in self.functions if key[0] == module]

    def _called(self, key: Key, node: ast.AST) -> Iterator[Key]:
        imported = self.imported[key[0]]
        if isinstance(node, ast.Name):
            yield from self._known(imported.get(node.id, key[0]), node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imported:
            yield from self._known(f"{imported[node.value.id]}.{node.value.id}".lstrip("."), node.attr)
            yield from self._known(imported[node.value.id], f"{node.value.id}.{node.attr}")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):  # one that is not called may be a field
            yield from self._by_name(key, node.func)

    def _by_name(self, key: Key, node: ast.Attribute) -> Iterator[Key]:
        """Of the class that what has it is named after, or else of all but those."""
        if node.attr in HANDED:
            yield HANDED[node.attr]
        receiver = getattr(node.value, "attr", getattr(node.value, "id", ""))
        owner = key[1].partition(".")[0] if receiver == "self" else OWNERS.get(receiver, "")
        for module, name in self.methods.get(node.attr, ()):
            of = name.partition(".")[0]
            if of == owner or (not owner and of not in OWNERS.values()):
                yield module, name

    def _known(self, module: str, name: str) -> Iterator[Key]:
        if (module, name) in self.functions:
            yield module, name


def _imports(tree: ast.Module) -> Iterator[Key]:
    """Name → the module that it comes from, without the package's own name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("harness"):
            for name in node.names:
                yield name.asname or name.name, (node.module or "").removeprefix("harness").lstrip(".")


def _api_call(node: ast.AST) -> Iterator[str]:
    """What the call of the client library is, by the path that the library itself sends it to."""
    if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr in APIS):
        return
    source = inspect.getsource(getattr(APIS[node.value.attr], f"_{node.attr}_serialize"))
    (method,), (path,) = (re.findall(rf"{word}='([^']+)'", source) for word in ("method", "resource_path"))
    if path == "/version/":  # open to everybody
        return
    if "{plural}" in path:
        yield METALLB
        return
    group, rest = re.fullmatch(r"/(?:api|apis/([^/]+))/v1(?:/namespaces/\{namespace\})?/(.+)", path).groups()  # type: ignore[union-attr]
    kind, _, sub = rest.partition("/{name}")
    verb = VERBS.get(method) or ("get" if "{name}" in rest else "list")
    verb = "delete" if verb == "delete" and "{name}" in rest else "deletecollection" if verb == "delete" else verb
    kind = f"{kind}{sub}"
    yield f"{verb} {kind}.{group}" if group else f"{verb} {kind}"


CODE = Code()
GUARD = "get namespaces"


def bare(words: tuple[str, ...]) -> set[str]:
    """Without the names of single objects."""
    return {" ".join(one.split()[:2]) for one in words}


def test_the_door_is_read_as_it_is() -> None:
    """The analysis itself: it sees calls of each kind, and through each kind of call."""
    every = CODE.asks(*(key for module in DOOR for key in CODE.of(module)))
    assert {"list pods", "get pods/log", "create pods/eviction", "deletecollection pods", METALLB, ENTERS} <= every
    assert CODE.asks(("chaos.actions", "pile_up")) == set()
    assert "patch nodes" in CODE.asks(("chaos.room", "close_nodes"))
    assert "create leases.coordination.k8s.io" in CODE.asks(("lease", "take"))


def test_every_action_stands_in_the_table() -> None:
    assert rights.ACTIONS.keys() == _functions(KINDS["action"]).keys()


@pytest.mark.parametrize("name", sorted(rights.ACTIONS.keys() - {"undo"}))
def test_an_action_needs_what_its_code_asks_for(name: str) -> None:
    needs = rights.ACTIONS[name]
    asked = CODE.asks(("chaos.actions", name))
    given = tuple(words for _, words in needs.given)
    table = bare((*needs.there, *needs.everywhere, *needs.cluster, *given)) | ({ENTERS} if needs.enters else set())
    assert asked - {GUARD} == table


def test_undo_and_aim_need_nothing_that_neither_the_actions_nor_the_stack_do() -> None:
    every = {right for needs in rights.ACTIONS.values() for right in (*needs.there, *needs.everywhere, *needs.cluster)}
    ends = [("chaos.actions", "undo"), ("chaos.probes", "every_component_is_ready"), *CODE.of("chaos.aims")]
    asked = CODE.asks(*ends)
    assert asked - {ENTERS} <= bare((*every, *rights.STACK, *rights.NODES))


def test_the_rest_of_a_run_needs_what_its_code_asks_for() -> None:
    starts = [("preflight", "enter"), ("preflight", "check_ground"), ("lease", "take"), *CODE.of("lease")]
    observers = [*CODE.of("observe.watcher"), *CODE.of("observe.pod_logs")]
    asked = CODE.asks(*starts, *observers, without=FAULTS) | CODE.asks(("chaos.leftovers", "find"))
    followed = {
        f"watch {one.split()[1]}" for one in ("list pods", "list nodes", "list endpointslices.discovery.k8s.io")
    }
    table = bare((*rights.STACK, *rights.LOGIN, *rights.ENTRY, *rights.NODES, *rights.CLAIM))
    assert (asked - {ENTERS}) | followed == table


def loaded() -> list[Experiment]:
    return [load(path) for path in sorted((ROOT / "experiments").glob("*.json"))]


def test_all_experiments_need_no_secret_but_the_login_and_no_wildcard() -> None:
    found = rights.needed(loaded(), Settings())
    assert not [right for right in found if "*" in right]
    assert [right for right in found if right.resource == "secrets"] == [
        Right.of("airflow", "get secrets airflow-secrets")
    ]
    assert {right.namespace for right in found} == {"", "airflow", "ingress", "kube-system"}
    assert {str(right) for right in found if not right.namespace} == {
        "list nodes in the whole cluster",
        "watch nodes in the whole cluster",
        "patch nodes in the whole cluster",
        "list servicel2statuses.metallb.io in the whole cluster",
    }


def test_one_that_breaks_nothing_may_delete_nothing_but_its_lease() -> None:
    raw = experiment(component="none") | {"method": []}
    found = rights.needed([check("null", raw)], Settings())
    changing = {str(right) for right in found if right.verb not in ("get", "list", "watch")}
    assert changing == {
        "create leases.coordination.k8s.io in airflow",
        "update leases.coordination.k8s.io airflow-chaos in airflow",
        "delete leases.coordination.k8s.io airflow-chaos in airflow",
    }


def test_an_action_elsewhere_needs_its_rights_there_alone() -> None:
    raw = experiment()
    aim = {"selector": "component=x", "namespace": "elsewhere"}
    raw["method"] = [activity("action", "harness.chaos.actions", "kill_pods", **aim)]
    found = rights.needed([check("x", raw)], Settings())
    deletes = [str(right) for right in found if right.verb == "delete" and right.resource == "pods"]
    assert deletes == ["delete pods in elsewhere"]
    assert Right.of("elsewhere", "get namespaces elsewhere") in found


def test_a_service_is_read_by_the_name_that_the_action_has() -> None:
    raw = experiment()
    aim = {"service": "front", "hold_s": 5.0, "namespace": "edge"}
    raw["method"] = [activity("action", "harness.chaos.actions", "stop_announcing_node", **aim)]
    assert Right.of("edge", "get services front") in rights.needed([check("x", raw)], Settings())


def granted(text: str) -> set[Right]:
    """The rights that a set of manifests gives, as the cluster's authorizer reads them."""
    found = set()
    for one in yaml.safe_load_all(text):
        for rule in one.get("rules", ()):
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        for name in rule.get("resourceNames", [""]):
                            found.add(Right(one["metadata"].get("namespace", ""), group, resource, verb, name))
    return found


WORDS = st.from_regex(r"[a-z]{1,3}", fullmatch=True)
RIGHTS = st.builds(Right, st.just("") | WORDS, st.just("") | WORDS, WORDS, WORDS, st.just("") | WORDS)


@given(st.sets(RIGHTS))
def test_the_manifests_give_each_right_and_no_other(some: set[Right]) -> None:
    assert granted(rights.manifests(some, "home/somebody")) == some


def test_every_role_is_bound_to_the_account() -> None:
    documents = list(yaml.safe_load_all(rights.manifests(rights.needed(loaded(), Settings()), "home/somebody")))
    roles = {(d["kind"], d["metadata"].get("namespace")) for d in documents if d["kind"].endswith("Role")}
    bound = {(d["roleRef"]["kind"], d["metadata"].get("namespace")) for d in documents if d["kind"].endswith("Binding")}
    assert roles == bound != set()
    subjects = [subject for d in documents for subject in d.get("subjects", ())]
    assert all(subject == {"kind": "ServiceAccount", "name": "somebody", "namespace": "home"} for subject in subjects)


@pytest.mark.parametrize("account", ["", "name", "/name", "home/", "a/b/c"])
def test_an_account_that_is_none_is_refused(account: str) -> None:
    with pytest.raises(UsageError, match="give it as namespace/name"):
        rights.manifests([], account)


@pytest.mark.parametrize(
    "words", ["list pods", "get pods/log", "list deployments.apps", "get leases.coordination.k8s.io airflow-chaos"]
)
def test_a_right_reads_as_it_is_written(words: str) -> None:
    assert str(Right.of("here", words)) == f"{words} in here"
    assert str(Right.of("", words)) == f"{words} in the whole cluster"
