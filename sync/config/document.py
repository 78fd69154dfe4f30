"""A YAML document as plain text values, with the line of every setting.

Deliberately plainer than YAML 1.1: every scalar is text until the model says what it is, so that
`language: no`, `alerts_at: 10:30`, a stage id `00123` and a rate `11.60` stay what was written.
Only an empty value, `~` and `null` mean "nothing". Aliases and tags are refused.
"""

from dataclasses import dataclass

import yaml

from sync.errors import ConfigError

Path = tuple[str | int, ...]
Value = str | dict[str, "Value"] | list["Value"] | None


@dataclass(frozen=True, slots=True)
class Document:
    """`data`: the content, None when empty. `lines`: path of a setting -> its line, from 1.

    `problems`: (path, what is wrong) for what the model cannot see, such as a key given twice.
    """

    data: Value
    lines: dict[Path, int]
    problems: list[tuple[Path, str]]


def parse(text: str) -> Document:
    """Raises ConfigError with line and column on a syntax error; never quotes the text."""
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            _refuse_extras(event)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_syntax(error)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"line {line}: a character that no text file should have") from None
    document = Document(None, {}, [])
    if node is None:
        return document
    data = _Reader(document).value(node, ())
    return Document(data, document.lines, document.problems)


def _refuse_extras(event: yaml.Event) -> None:
    where = f"line {event.start_mark.line + 1}" if event.start_mark else "somewhere"
    if isinstance(event, yaml.AliasEvent):
        raise ConfigError(
            f"{where}: a value that starts with * is an alias, which is not supported; "
            "put quotes around it"
        )
    tag = getattr(event, "tag", None)
    if tag is not None and tag != "!":
        raise ConfigError(
            f"{where}: a value that starts with ! is a tag, which is not supported; "
            "put quotes around it"
        )


def _syntax(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    problem = error.problem or "this is not YAML"
    if r"'\t'" in problem:
        return f"{where}a tab is used for indentation; use spaces"
    if "expected a single document" in str(error.context):
        return f"{where}a second document starts here (---); there may be only one"
    hint = {
        "mapping values are not allowed here": "a colon too many, or a line indented wrongly; "
        "put quotes around a value that has a colon in it",
        "could not find expected ':'": "a setting needs a colon after its name",
    }.get(problem, f"this is not YAML: {problem}")
    return f"{where}{hint}"


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document

    def value(self, node: yaml.Node, path: Path) -> Value:
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        return None if node.tag == "tag:yaml.org,2002:null" else str(node.value)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Value]:
        result: dict[str, Value] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._document.problems.append((path, f"line {line}: a name must be plain text"))
                continue
            key = str(key_node.value)
            if key in first:
                self._document.problems.append(
                    ((*path, key), f"is given twice, in lines {first[key]} and {line}; remove one")
                )
                continue
            first[key] = line
            self._document.lines[(*path, key)] = line
            result[key] = self.value(value_node, (*path, key))
        return result
