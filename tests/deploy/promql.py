"""Which metrics and labels a PromQL query names, read from its syntax tree."""

from collections.abc import Iterator, Mapping
from typing import Any

from promql_parser import AggregateExpr, BinaryExpr, Expr, VectorSelector, parse, walk

TARGET_LABELS = frozenset({"job", "instance"})
"""What Prometheus adds to all that it scrapes."""

Known = Mapping[str, frozenset[str]]


def faults(query: str, known: Known) -> list[str]:
    """What the query names that is not in `known`, metrics with their labels; ValueError where it does not parse.

    Labels of matchers, `by`, `without`, `on`, `ignoring` and `group_left` have to be labels of the metrics below.
    """
    return list(_faults(parse(query), known))


def _faults(tree: Expr, known: Known) -> Iterator[str]:
    for selector in _below(tree, VectorSelector):
        if selector.name not in known:
            yield f"no metric {selector.name!r}"
        else:
            yield from _unknown(selector, _matched(selector), known)
    for grouping in (*_below(tree, AggregateExpr), *_below(tree, BinaryExpr)):
        for selector in _below(grouping, VectorSelector):
            yield from _unknown(selector, _grouped_by(grouping), known)


def _unknown(selector: VectorSelector, labels: list[str], known: Known) -> Iterator[str]:
    has = known.get(selector.name or "")
    for label in labels:
        if has is not None and label not in has | TARGET_LABELS:
            yield f"{selector.name} has no label {label!r}"


def _matched(selector: VectorSelector) -> list[str]:
    groups = [selector.matchers.matchers, *selector.matchers.or_matchers]
    return [matcher.name for group in groups for matcher in group]


def _grouped_by(node: AggregateExpr | BinaryExpr) -> list[str]:
    if node.modifier is None:
        return []
    if isinstance(node, AggregateExpr):
        return list(node.modifier.labels)
    matching = node.modifier.matching
    return [*(matching.labels if matching else []), *(node.modifier.group_labels or [])]


def _below(tree: Expr, kind: Any) -> list[Any]:
    found: list[Any] = []

    def visit(node: Expr) -> None:
        if isinstance(node, kind):
            found.append(node)

    walk(tree, visit)
    return found
