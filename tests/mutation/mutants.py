"""Small changes of the code, one at a time: what tests that are worth something must notice.

A mutant changes one node of one function: a comparison, a condition, a number, a result, or it
leaves a statement out. Logs, docstrings and the values of module constants are left alone: the
first two change nothing that is promised, the last are tuned by measurement.
"""

import ast
import copy
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}


class Mutant(NamedTuple):
    """One change. `code` is that of the function `function` of the file, changed."""

    path: str
    line: int
    function: str
    before: str
    after: str
    code: CodeType


def list_mutants(path: str) -> Iterator[Mutant]:
    """Every mutant of a file, in order."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    for function, qualname in _functions(tree, ""):
        for node in list(_changeable(function)):
            for changed in _changes(node):
                yield _make(path, tree, qualname, node, changed)


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[ast.FunctionDef, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield child, prefix + child.name
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")


def _changeable(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """The nodes of a function's body, without logs, docstrings and annotations."""
    waiting: list[ast.AST] = list(reversed(function.body))
    while waiting:
        node = waiting.pop()
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_text or isinstance(node, ast.JoinedStr) or _is_log(node):
            continue
        yield node
        for name, value in reversed(list(ast.iter_fields(node))):
            if name in ("annotation", "returns", "op", "ops", "ctx"):
                continue
            children = value if isinstance(value, list) else [value]
            waiting += [child for child in reversed(children) if isinstance(child, ast.AST)]


def _is_log(node: ast.AST) -> bool:
    """A line of the log, or a condition under which nothing but such lines are written."""
    if isinstance(node, ast.If):
        return all(_is_log(child) for child in [*node.body, *node.orelse])
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func).startswith("log.")
    )


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in the place of a node."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        other = COMPARISONS[type(node.ops[0])]()
        yield ast.Compare(node.left, [other, *node.ops[1:]], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
    elif isinstance(node, ast.AugAssign) and type(node.op) in OPERATORS:
        yield ast.AugAssign(node.target, OPERATORS[type(node.op)](), node.value)
        yield ast.Pass()
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield ast.Constant(node.value + 1)
    else:
        yield from _changes_of_statement(node)


def _changes_of_statement(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.If | ast.While):
        if not isinstance(node.test, ast.UnaryOp | ast.Compare):  # those are changed themselves
            yield type(node)(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.Return):
        if not isinstance(node.value, ast.Constant | None):
            yield ast.Return(ast.Constant(None))
    elif (
        isinstance(node, ast.Raise | ast.Continue)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
        or (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute))
    ):
        yield ast.Pass()


class _Replace(ast.NodeTransformer):
    def __init__(self, line: int, column: int, kind: type[ast.AST], new: ast.AST) -> None:
        self._place = (line, column, kind)
        self._new = new

    def visit(self, node: ast.AST) -> ast.AST:
        if (getattr(node, "lineno", 0), getattr(node, "col_offset", 0), type(node)) == self._place:
            return ast.copy_location(self._new, node)
        return self.generic_visit(node)


def _make(path: str, tree: ast.Module, qualname: str, node: ast.AST, new: ast.AST) -> Mutant:
    line, column = node.lineno, node.col_offset  # type: ignore[attr-defined]
    before, after = ast.unparse(node).splitlines()[0], ast.unparse(new).splitlines()[0]
    changed = _Replace(line, column, type(node), copy.deepcopy(new)).visit(copy.deepcopy(tree))
    assert isinstance(changed, ast.Module)
    module = compile(ast.fix_missing_locations(changed), str(ROOT / path), "exec")
    return Mutant(path, line, qualname, before, after, _find_code(module, qualname))


def _find_code(code: CodeType, qualname: str) -> CodeType:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_qualname == qualname:
                return constant
            try:
                return _find_code(constant, qualname)
            except LookupError:
                continue
    raise LookupError(qualname)
