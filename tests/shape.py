"""How large is the house? Lines of `lib` per package, its largest modules and longest functions: `make shape`.

`tests/test_house.py` holds the limits of a module and of a function.
"""

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 8


def lengths() -> tuple[Counter, Counter, Counter]:
    """Lines of every package, module and function of `lib`, by name."""
    packages, modules, functions = Counter(), Counter(), Counter()
    for path in sorted((ROOT / "lib").rglob("*.py")):
        source, name = path.read_text(), str(path.relative_to(ROOT / "lib"))
        modules[name] = len(source.splitlines())
        packages[name.split("/")[0]] += modules[name]
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions[f"{name}:{node.name}"] = node.end_lineno - node.lineno + 1
    del packages["__init__.py"]
    return packages, modules, functions


if __name__ == "__main__":
    packages, modules, functions = lengths()
    print(f"lib has {modules.total()} lines in {len(modules)} modules and {len(functions)} functions")
    parts = packages.most_common(), modules.most_common(LARGEST), functions.most_common(LARGEST)
    for title, part in zip(("packages", "largest modules", "longest functions"), parts, strict=True):
        print(f"\n{title}")
        for name, lines in part:
            print(f"{lines:7d}  {name}")
