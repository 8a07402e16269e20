"""Reads newsletter.toml from bytes, and tells every mistake of its writing: where, what, and what to write instead."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final

from newsletter.config.places import Places, Scan, TooDeepError
from newsletter.errors import ConfigError, Finding

LARGEST: Final = 256 * 1024
"""Bytes of a settings file; a full one has five thousand."""

_MOST: Final = 20  # mistakes told at once
_OPENING: Final = "“”„‟‘’‚«»"
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_KEY = re.compile(r"\s*([\w.\- \"']*?)\s*[=:]")
_LAST_KEY = re.compile(r"([\w-]+)[ \t]*=[ \t]*\Z")
_TWO_WORDS = re.compile(r"[ \t]*([\w-]+(?:[ \t]+[\w-]+)+)[ \t]*=")
_YES: Final = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
_NONE: Final = frozenset({"none", "null", "nil", "~"})


def read_toml(content: bytes, file: str) -> tuple[dict[str, Any], Places]:
    """The settings of a file, and where each of them stands.

    Args:
        content: The file's bytes.
        file: Its name, for findings.

    Raises:
        ConfigError: It is no TOML; as many mistakes at once as can be told apart.
    """
    text = _decode(content, file).replace("\r\n", "\n")
    findings: list[Finding] = []
    while True:
        try:
            scan = Scan(text)
        except TooDeepError as error:
            line, column = text.count("\n", 0, error.offset) + 1, error.offset - text.rfind("\n", 0, error.offset)
            raise ConfigError(findings=[*findings, _finding(file, line, column, *_TOO_DEEP)]) from None
        try:
            data = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            found = list(_explain(str(error), scan, file))
            findings += (finding for finding in found if finding not in findings)
            rest = _without(scan, found[0].line)
            if rest is None or len(findings) >= _MOST:
                raise ConfigError(findings=findings) from None
            text = rest
            continue
        if findings:
            raise ConfigError(findings=findings)
        return data, Places(file, scan.places())


_TOO_DEEP: Final = ("Too many names, lists or tables lie inside one another here.", "No setting needs more than five.")


def _finding(file: str, line: int | None, column: int | None, what: str, fix: str) -> Finding:
    return Finding(rule="toml", what=what, fix=fix, file=file, line=line, column=column)


def _decode(content: bytes, file: str) -> str:
    """The file's text, which must be UTF-8."""

    def refuse(what: str, fix: str, line: int | None = None, column: int | None = None) -> ConfigError:
        return ConfigError(findings=[_finding(file, line, column, what, fix)])

    advice = "In your editor choose «Save as», and UTF-8 as the encoding."
    if len(content) > LARGEST:
        what = f"This file is larger than {LARGEST // 1024} KB, so it cannot be a settings file."
        raise refuse(what, "Look what is in it.")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:4]:
        raise refuse("This file is saved as UTF-16, which other programs cannot read here.", advice)
    if content.startswith(b"\xef\xbb\xbf"):
        raise refuse("This file begins with an invisible mark (BOM).", "Save it as UTF-8 without BOM.", 1, 1)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        letter = content[error.start : error.start + 1].decode("cp1252", "replace")
        what = f"This file is not saved as UTF-8; in the encoding of Windows there is «{letter}» here."
        raise refuse(what, advice, line, column) from None


def _without(scan: Scan, line: int | None) -> str | None:
    """The text without its wrong line, if that line is a whole statement: then the lines after it can be judged too."""
    if line is None:
        return None
    lines = scan.text.split("\n")
    wrong = lines[line - 1]
    begins = {scan.position(start)[0] for start in scan.starts}
    if line not in begins or wrong.lstrip().startswith("[") or '"""' in wrong or "'''" in wrong:
        return None
    if re.search(r"=\s*[\[{]", wrong) and not wrong.rstrip().endswith(("]", "}")):
        return None
    lines[line - 1] = ""
    return "\n".join(lines)


def _explain(message: str, scan: Scan, file: str) -> Iterator[Finding]:
    """What tomllib complains about, in words."""
    if scan.twice and re.search(r"Cannot|Duplicate", message):
        for path, first, again in scan.twice[:_MOST]:
            name = ".".join(str(key) for key in path if isinstance(key, str))
            where = scan.position(first)[0]
            what = f"«{name[:60]}» is written twice; it stands in line {where} already."
            yield _finding(file, *scan.position(again), what, "Take one of the two out, or put both together.")
        return
    match = _AT.search(message)
    offset = scan.offset(int(match[1]), int(match[2])) if match and match[1] else len(scan.text.rstrip())
    if message.startswith(("Unterminated string", "Illegal character '\\n'")) and scan.unclosed is not None:
        offset = scan.unclosed
    if message.startswith(("Unescaped", "Escaped", "Invalid hex")):  # tomllib points behind it
        offset = scan.text.rfind("\\", 0, offset)
    line, column = scan.position(offset)
    whole = scan.text.split("\n")[line - 1]
    before, rest = whole[: column - 1], whole[column - 1 :]
    yield _finding(file, line, column, *_words(message, before, rest))


def _words(message: str, before: str, rest: str) -> tuple[str, str]:  # noqa: PLR0911 one sort of mistake each
    """What is wrong and what to do, from tomllib's message and the line around the place."""
    key = match[1] if (match := _KEY.match(before + rest)) else ""
    typographic = next((mark for mark in before[-1:] + rest if mark in _OPENING), "")
    if message.startswith(("Unterminated string", "Illegal character '\\n'")):
        if rest.startswith(('"""', "'''")):
            return "This text of several lines never ends.", f"Write {rest[:3]} after its last line."
        if typographic:
            return f"A typographic quotation mark ({typographic}) does not end a text.", f"Write {rest[:1]} instead."
        return "The quotation mark at the end of this text is missing.", f"Write {rest[:1]} at its end."
    if typographic and not before.endswith(('"', "'")) and rest.startswith(typographic):
        return f"Typographic quotation marks ({typographic}) do not work here.", 'Use the straight ones: ".'
    if re.match(r"Illegal|Found invalid", message) or not (rest or " ")[0].isprintable():
        return "There is an invisible control character here.", "Delete it; you may have to type the line anew."
    if re.match(r"Unescaped|Escaped|Invalid hex", message):
        fix = "Write / instead of \\, or put the text between single quotation marks: '…'."
        return "A backslash (\\) cannot stand alone in a text.", fix
    if message.startswith("Invalid value"):
        return _value(before, rest)
    return _statement(message, key, before, rest)


def _value(before: str, rest: str) -> tuple[str, str]:
    name = match[1] if (match := _LAST_KEY.search(before)) else "this setting"
    word = re.split(r"[\s,\]}#]", rest, maxsplit=1)[0]
    if colour := re.match(r"#([0-9a-fA-F]{3}){1,2}\b", rest):
        return "A colour needs quotation marks; after a # alone nothing is read.", f'Write {name} = "{colour[0]}".'
    if not word:
        return f"There is no value for {name}.", 'Write one after the =, or take the line out; an empty text is "".'
    if word.lower() in _YES:
        return f"«{word}» is not known here.", f"Write {_YES[word.lower()]}, in small letters."
    if word.lower() in _NONE:
        return f"«{word}» is not known here.", "Take the line out if there is nothing to set."
    inside = "{" in before or "[" in before
    text = re.split(r"[,\]}]", rest, maxsplit=1)[0].strip() if inside else _unquoted(rest)
    return "A text needs quotation marks.", f'Write {name} = "{text[:60]}".' if match else f'Write "{text[:60]}".'


def _unquoted(rest: str) -> str:
    return re.split(r"\s*(?:#|,\s*$|[\]}]\s*$|$)", rest, maxsplit=1)[0].strip("\"' ")[:60]


def _statement(message: str, key: str, before: str, rest: str) -> tuple[str, str]:  # noqa: C901, PLR0911 one each
    line = before + rest
    shown = line.strip()[:40]
    if re.match(r"Expected '\]|Invalid initial", message) and line.lstrip().startswith("["):
        return "This is not the name of a table.", "Write it like [newsletter] or [lists.community], without blanks."
    if message.startswith("Expected '='"):
        if rest.startswith(":"):
            return "Between a name and its value stands =, not a colon.", f"Write {key} = …"
        if two := _TWO_WORDS.match(line):
            return "The name of a setting is one word.", f"Write {re.sub(r'[ -]+', '_', two[1])} = …"
        if shown.startswith("- "):
            return "Lists are not written with hyphens here.", 'Write name = ["first", "second"].'
        return f"«{shown}» is neither a setting nor a table.", "Write name = value, or put # before a remark."
    if message.startswith("Expected newline"):
        number = re.search(r"=\s*([+\-]?\d\S*.*)$", line)
        if number:
            return "Only a plain number goes without quotation marks.", f'Write {key} = "{_unquoted(number[1])}".'
        if before.rstrip().endswith(('"', "'")):
            fix = 'Put the text between single quotation marks, or write \\" for those inside it.'
            return "The text ends before the end of the line, at the quotation mark.", fix
        what = f"After the value stands something else: «{rest.strip()[:40]}»."
        return what, "Put it on a line of its own, or take it out."
    if message.startswith("Unclosed array"):
        return "A list is not closed, or a comma is missing in it.", "Write a comma between entries and ] at the end."
    if re.match(r"Unclosed inline|Invalid initial", message):
        fix = 'Write it on one line: {label = "…", url = "…"}, without a comma before the }.'
        return "What stands between { and } is not right.", fix
    if re.match(r"Cannot|Duplicate", message):
        return f"«{key or shown}» is written twice, once as a setting and once as a table.", "Take one of the two out."
    if shown.startswith(("//", ";")):
        return "A remark begins with # here.", "Write # instead."
    return f"«{shown}» cannot be understood.", "Write name = value; texts stand between quotation marks."
