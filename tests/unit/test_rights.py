"""The table of rights says neither less nor more than what the code asks the cluster's API for."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kubernetes import client

from harness import rights
from harness.allowed import KINDS, _functions
from harness.chaos import borrowed
from harness.errors import UsageError
from harness.experiment import Experiment, check, load
from harness.kube import Right
from harness.kube.inventory import PLACES
from harness.settings import ROOT, Settings
from harness.target import Target
from tests.unit.plans import activity, experiment

APIS = {
    "_core": client.CoreV1Api,
    "_apps": client.AppsV1Api,
    "_discovery": client.DiscoveryV1Api,
    "_custom": client.CustomObjectsApi,
    "_version": client.VersionApi,
    "_api": client.CoordinationV1Api,
    "_networking": client.NetworkingV1Api,
    "_batch": client.BatchV1Api,
}
DOOR = (
    "kube.client",
    "kube.changes",
    "kube.leases",
    "kube.policies",
    "kube.releases",
    "kube.secrets",
    "kube.source",
    "kube.workloads",
    "kube.nodes",
    "kube.power",
    "kube.firewall",
)
EXECS = {("kube.client", "Kube.once"), ("kube.client", "Kube.console")}
EXEC = {"create pods/exec", "get pods/exec"}  # the first, from Kubernetes 1.35 on
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
OWNERS = {
    "change": "Changes",
    "policies": "Policies",
    "secrets": "Secrets",
    "releases": "Releases",
    "_workloads": "Workloads",
    "leases": "Leases",
    "_leases": "Leases",
    "aims": "Aims",
}
Key = tuple[str, str]
PATH = re.compile(r"/(?:api|apis/(?P<group>[^/]+))/[^/]+(?:/namespaces/(?P<namespace>[^/]+))?/(?P<resource>[a-z]+)")
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
            if key in EXECS:
                found |= EXEC
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
CLOSED = ("chaos.within", "chaos.crossing")  # what is done where nodes are closed
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
    assert rights.BORROWED.keys() == borrowed.KNOWN.keys()


@pytest.mark.parametrize("name", sorted(rights.ACTIONS.keys() - {"undo"}))
def test_an_action_needs_what_its_code_asks_for(name: str) -> None:
    needs = rights.ACTIONS[name]
    asked = CODE.asks(("chaos.actions", name), without=CLOSED)
    given = tuple(words for _, words in needs.given)
    table = bare((*needs.there, *needs.everywhere, *needs.cluster, *given)) | ({ENTERS} if needs.beyond else set())
    assert asked - {GUARD} == table


@pytest.mark.parametrize("name", sorted(rights.ACTIONS.keys() - {"undo"}))
def test_an_action_needs_more_where_nodes_are_closed_and_what_its_undo_needs_besides(name: str) -> None:
    needs = rights.ACTIONS[name]
    start = ("chaos.actions", name)
    more = CODE.asks(start) - CODE.asks(start, without=CLOSED) if needs.beyond else set()
    given = bare(needs.closed or ()) if needs.beyond else set()
    assert more <= given
    assert given - more <= CODE.asks(("chaos.actions", "undo"))


def test_undo_and_aim_need_nothing_that_neither_the_actions_nor_the_stack_do() -> None:
    table = (*rights.ACTIONS.values(), *rights.BORROWED.values())
    every = {right for n in table for right in (*n.there, *n.everywhere, *n.cluster, *(n.closed or ()))}
    ends = [("chaos.actions", "undo"), ("chaos.probes", "every_component_is_ready"), *CODE.of("chaos.aims")]
    asked = CODE.asks(*ends)
    assert asked - {ENTERS} <= bare((*every, *rights.STACK, *rights.NODES))


def test_the_rest_of_a_run_needs_what_its_code_asks_for() -> None:
    starts = [("preflight", "enter"), ("preflight", "check_ground"), ("lease", "take"), *CODE.of("lease")]
    observers = [*CODE.of("observe.watcher"), *CODE.of("observe.pod_logs")]
    asked = CODE.asks(*starts, *observers, without=FAULTS)
    asked |= CODE.asks(("chaos.leftovers", "find"), without=("kube.policies",))  # where nodes are closed
    followed = {
        f"watch {one.split()[1]}" for one in ("list pods", "list nodes", "list endpointslices.discovery.k8s.io")
    }
    table = bare((*rights.STACK, *rights._login(Settings()), *rights.ENTRY, *rights.NODES, *rights.CLAIM))
    assert (asked - {ENTERS}) | followed == table


def loaded() -> list[Experiment]:
    return [load(path) for path in sorted((ROOT / "experiments").glob("*.json"))]


def test_all_experiments_need_no_secret_but_the_one_with_the_login_and_no_wildcard() -> None:
    found = rights.needed(loaded(), Settings())
    assert not [right for right in found if "*" in right]
    assert [right for right in found if right.resource == "secrets"] == [
        Right.of("airflow", "get secrets airflow-secrets"),
        Right.of("airflow", "patch secrets airflow-secrets"),  # the key that signs tokens is in it, too
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


def test_an_audit_lists_what_it_looks_at_but_for_secrets() -> None:
    """RBAC gives no names alone: whoever may list Secrets may read them."""
    found = rights.auditing("data-platform")
    assert {(right.namespace, right.group, right.resource) for right in found} == {
        (match["namespace"] or "", match["group"] or "", match["resource"])
        for kind, place in PLACES.items()
        if kind != "Secret" and (match := PATH.fullmatch(place.format("data-platform")))
    }
    assert {right.verb for right in found} == {"list"}


def at(nodes: str, **more: Any) -> Settings:
    said = {"name": "mine", "context": "c", "namespace": "flow", "nodes": nodes, **more}
    return Settings(target=Target.model_validate(said))


def doing(func: str, **arguments: Any) -> Experiment:
    said = {"selector": "component=x", **arguments}
    return check("x", experiment() | {"method": [activity("action", "harness.chaos.actions", func, **said)]})


def test_an_agent_needs_its_rights_where_it_is_made_alone() -> None:
    found = rights.needed([doing("hang_pods", hold_s=1.0)], at("agent", agent={"namespace": "tools"}))
    assert {(right.verb, right.resource) for right in found if right.namespace == "tools"} == {
        ("get", "namespaces"), ("create", "pods"), ("list", "pods"), ("delete", "pods"),
        ("create", "pods/exec"), ("get", "pods/exec"),
    }  # fmt: skip
    assert not [right for right in found if right.namespace != "tools" and right.resource == "pods/exec"]


def test_what_breaks_nothing_only_looks_whether_an_agent_was_left() -> None:
    quiet = check("null", experiment(component="none", blast=None) | {"method": []})
    found = rights.needed([quiet], at("agent"))
    home = {(right.verb, right.resource) for right in found if right.namespace == "airflow-chaos-agent"}
    assert home == {("get", "namespaces"), ("list", "pods")}


def test_where_nodes_are_closed_the_api_must_give_more() -> None:
    def more(func: str, **arguments: Any) -> set[str]:
        one = doing(func, **arguments)
        closed, docker = ({str(right) for right in rights.needed([one], at(nodes))} for nodes in ("closed", "docker"))
        return {said.removesuffix(" in flow") for said in closed - docker}

    looks = {"create pods/exec", "get pods/exec", "list networkpolicies.networking.k8s.io"}
    assert more("kill_pods") == more("delete_pods") == looks
    assert more("hang_pods", hold_s=1.0) == looks | {"patch pods"}
    cuts = {"create networkpolicies.networking.k8s.io", "delete networkpolicies.networking.k8s.io", "patch pods"}
    assert more("cut_off", peers="component=y", hold_s=1.0) == looks | cuts


def test_who_is_cut_off_from_another_namespace_needs_to_look_there() -> None:
    more = {"peers": "component=y", "hold_s": 1.0, "also": "component=z"}
    near, far = (
        set(rights.needed([doing("cut_off", **more, **where)], Settings())) for where in ({}, {"also_in": "far"})
    )
    assert {str(right) for right in far - near} == {"list pods in far", "get namespaces far in far"}
    one = doing("cut_off", **more, also_in="far")
    assert rights.out_of_reach(one, Settings(), ours=True) == {}
    assert rights.out_of_reach(one, at("agent", beside=["far"]), ours=False) == {}
    strange = {"cut_off": "namespace far, which its file does not name (`beside`)"}
    assert rights.out_of_reach(one, at("agent"), ours=False) == strange
    shut = {"cut_off": "packets to another namespace, which no policy of one can drop"}
    assert rights.out_of_reach(one, at("closed"), ours=True) == shut


def test_to_ask_for_a_handover_no_node_is_entered() -> None:
    one = doing("switch_over", within_s=9.0)
    assert rights.beyond([one]) == []
    for nodes in ("docker", "agent", "closed"):
        assert rights.out_of_reach(one, at(nodes), ours=False) == {}
    asked = {str(right) for right in rights.needed([one], Settings())}
    assert {"create pods/exec in airflow", "get pods/exec in airflow"} <= asked
    assert "create pods/exec in airflow" not in {str(r) for r in rights.needed([doing("evict_pods")], Settings())}


def test_the_release_of_others_is_theirs_to_upgrade() -> None:
    one = doing("upgrade", tag="1", within_s=9.0)
    assert rights.out_of_reach(one, Settings(), ours=True) == {}
    for nodes in ("docker", "agent", "closed"):
        (why,) = rights.out_of_reach(one, at(nodes), ours=False).values()
        assert why.startswith("a deployment that we made")


DATA = "a database that we made"
POWER, SHUT, SHARED = "the power of nodes", "nodes, which are closed", "nodes, which belong to all in a cluster"
REACH: dict[str, tuple[dict[str, Any], tuple[str, str, str]]] = {
    "kill_pods": ({}, ("", "", "")),
    "crash_pods": ({}, ("", "", SHUT)),
    "kill_child": ({}, ("", "", SHUT)),
    "evict_pods": ({}, ("", "", "")),
    "hang_pods": ({"hold_s": 1.0}, ("", "", "")),
    "cut_off": ({"hold_s": 1.0, "peers": "component=y"}, ("", "", "")),
    "stop_node": ({"hold_s": 1.0}, ("", POWER, POWER)),
    "lose_and_restore": ({"hold_s": 1.0, "watch_s": 1.0, "within_s": 9.0}, (DATA, DATA, DATA)),
    "drain_node": ({"within_s": 1.0}, (SHARED, SHARED, SHARED)),
}


@pytest.mark.parametrize("func", sorted(REACH))
def test_what_a_target_cannot_do_is_known_with_the_reason(func: str) -> None:
    arguments, why = REACH[func]
    one = doing(func, **arguments)
    for nodes, wanted in zip(("docker", "agent", "closed"), why, strict=True):
        found = rights.out_of_reach(one, at(nodes), ours=False)
        assert found == ({func: wanted} if wanted else {}), nodes
    assert rights.out_of_reach(one, Settings(), ours=True) == {}


def test_what_the_undo_does_not_look_at_is_not_hit() -> None:
    one = doing("kill_pods", namespace="edge")
    assert rights.out_of_reach(one, at("agent", beside=["edge"]), ours=False) == {}
    for nodes in ("docker", "agent", "closed"):
        found = rights.out_of_reach(one, at(nodes), ours=False)
        assert found == {"kill_pods": "namespace edge, which its file does not name (`beside`)"}
    assert rights.out_of_reach(one, Settings(), ours=True) == {}


def test_a_pod_is_kept_away_by_closing_nodes_which_are_not_ours_to_close() -> None:
    one = doing("kill_pods", away_s=5.0)
    assert rights.out_of_reach(one, at("agent"), ours=True) == {}
    assert rights.out_of_reach(one, at("agent"), ours=False) == {"kill_pods": SHARED}


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
