"""What a Rust file declares and names, without code that is compiled for tests only.

This is no compiler: macros are not expanded, and methods are not resolved. It reads `mod`, `use`, the names of items, and
paths with `::` in code. That is enough to see who imports whom.
"""

import collections
import re

TOKEN = re.compile(r"""
    (?P<space>\s+|//[^\n]*)
  | (?P<comment>/\*)
  | (?P<raw>[bc]?r(?P<marks>\#*)"(?:.|\n)*?"(?P=marks))
  | (?P<text>[bc]?"(?:\\.|\\\n|[^"\\])*")
  | (?P<char>b?'(?:\\(?:x..|u\{[^}]*\}|.)|[^\\'])')
  | (?P<lifetime>'\w+)
  | (?P<word>(?:r\#)?[A-Za-z_]\w*)
  | (?P<number>\d[\w]*(?:\.\d[\w]*)?)
  | (?P<mark>::|=>|->|.)
""", re.VERBOSE)

CLOSING = {"(": ")", "[": "]", "{": "}"}
ITEMS = {"fn", "struct", "enum", "union", "trait", "type", "const", "static"}
# Items that end with a semicolon, whatever braces they contain.
STATEMENTS = {"use", "const", "static", "type", "let", "extern"}

Token = collections.namedtuple("Token", "kind text line")
# One path of a `use`, and its name here. `exported` is for `pub use` and the like.
Use = collections.namedtuple("Use", "path name line exported is_glob")
Mention = collections.namedtuple("Mention", "name line")


class Module:
    """A module: a file, or `mod x { … }` in one."""

    def __init__(self, path, file):
        self.path, self.file = path, file
        self.items = set()
        self.children = {}
        # The modules that have files of their own.
        self.declared = []
        self.uses = []
        self.paths = []
        # The paths in code, and every word there but those after `.` and `::`.
        self.words = []

    def all(self):
        yield self
        for child in self.children.values():
            yield from child.all()


def tokens_of(text):
    tokens, position, line = [], 0, 1
    while position < len(text):
        match = TOKEN.match(text, position)
        kind, end = match.lastgroup, match.end()
        if kind == "comment":
            end = end_of_comment(text, end)
        elif kind == "marks":
            kind = "raw"
        if kind not in ("space", "comment"):
            tokens.append(Token(kind, match.group().removeprefix("r#") if kind == "word" else match.group(), line))
        line += text.count("\n", position, end)
        position = end
    return tokens


def end_of_comment(text, position):
    """Comments nest."""
    depth = 1
    while depth and position < len(text):
        mark = text[position:position + 2]
        depth += (mark == "/*") - (mark == "*/")
        position += 2 if mark in ("/*", "*/") else 1
    return position


def read(text, path, file):
    """The module in a file."""
    return Reader(tokens_of(text)).module(path, file)


class Reader:
    def __init__(self, tokens):
        self.tokens, self.at = tokens, 0

    def text(self, ahead=0):
        position = self.at + ahead
        return self.tokens[position].text if 0 <= position < len(self.tokens) else ""

    def is_word(self, ahead=0):
        position = self.at + ahead
        return 0 <= position < len(self.tokens) and self.tokens[position].kind == "word"

    def module(self, path, file, until=""):
        module = Module(path, file)
        # Brackets that are open within this module: an item of it stands in none.
        open_ = 0
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.text == until and open_ == 0:
                break
            if token.text == "#" and (self.text(1) == "[" or self.text(1) == "!" and self.text(2) == "["):
                self.attribute()
            elif token.text in CLOSING:
                open_ += 1
                self.at += 1
            elif token.text in CLOSING.values():
                open_ -= 1
                self.at += 1
            elif token.kind == "word" and self.text(-1) != ".":
                self.word(module, open_ == 0)
            else:
                self.at += 1
        return module

    def word(self, module, is_item):
        exported = self.visibility()
        text, line = self.text(), self.tokens[self.at].line
        if text == "use" and self.text(1) != "<":
            self.at += 1
            for path, name, is_glob in self.use_tree(()):
                module.uses.append(Use(path, name, line, exported, is_glob))
        elif text == "mod" and self.is_word(1) and self.text(2) == ";":
            module.declared.append(self.text(1))
            self.at += 3
        elif text == "mod" and self.is_word(1) and self.text(2) == "{":
            name = self.text(1)
            self.at += 3
            module.children[name] = self.module((*module.path, name), module.file, "}")
            self.at += 1
        elif text == "macro_rules" and self.text(1) == "!":
            module.items.add(self.text(2))
            self.at += 3
        elif is_item and text in ITEMS and self.is_word(1) and self.text(1) not in ITEMS:
            module.items.add(self.text(2) if self.text(1) in ("mut", "unsafe", "async", "extern") else self.text(1))
            self.at += 2
        elif self.is_word():
            self.path(module)

    def visibility(self):
        if self.text() != "pub":
            return False
        self.at += 1
        if self.text() == "(" and self.text(1) in ("crate", "super", "self", "in"):
            self.at = self.end_of_group(self.at)
        return True

    def path(self, module):
        first = self.tokens[self.at]
        segments = [first.text]
        self.at += 1
        while self.text() == "::" and self.is_word(1):
            segments.append(self.text(1))
            self.at += 2
        module.words.append(Mention(first.text, first.line))
        if len(segments) > 1:
            module.paths.append(Mention(tuple(segments), first.line))

    def use_tree(self, prefix):
        """The paths of a `use`, up to its semicolon or what ends its part of the tree."""
        found, path = [], list(prefix)
        while self.at < len(self.tokens):
            text = self.text()
            self.at += 1
            if text == "{":
                while self.text() != "}":
                    found += self.use_tree(path)
                    if self.text() == ",":
                        self.at += 1
                self.at += 1
                path = None
            elif text == "*":
                found.append((tuple(path), None, True))
                path = None
            elif text == "as":
                found.append((tuple(path), self.text(), False))
                self.at += 1
                path = None
            elif text in (";", ",", "}"):
                if text != ";":
                    self.at -= 1
                break
            elif text != "::":
                path.append(text)
        if path is not None and path != list(prefix):
            if path[-1] == "self" and len(path) > 1:
                path.pop()
            found.append((tuple(path), path[-1], False))
        return found

    def attribute(self):
        """Skips an attribute, and what it is on where that is compiled for tests only."""
        start = self.at + (2 if self.text(1) == "!" else 1)
        end = self.end_of_group(start)
        words = [token.text for token in self.tokens[start + 1:end - 1]]
        self.at = end
        if words[:2] == ["cfg", "("] and is_for_tests(words[2:-1]):
            self.skip_item()

    def skip_item(self):
        while self.text() == "#":
            self.at = self.end_of_group(self.at + 1)
        self.visibility()
        to_semicolon = self.text() in STATEMENTS and self.text(1) != "fn"
        while self.at < len(self.tokens):
            text = self.text()
            # The last of the fields or arms around it.
            if text in CLOSING.values():
                return
            if text in CLOSING:
                self.at = self.end_of_group(self.at)
                if text == "{" and not to_semicolon:
                    return
                continue
            self.at += 1
            if text == ";" or text == "," and not to_semicolon:
                return

    def end_of_group(self, start):
        depth = 0
        for position in range(start, len(self.tokens)):
            depth += self.tokens[position].text in CLOSING
            depth -= self.tokens[position].text in CLOSING.values()
            if depth == 0:
                return position + 1
        return len(self.tokens)


def is_for_tests(condition):
    """Whether the condition of a `cfg` holds in tests and documentation tests only."""
    tests = ("test", "doctest")
    if condition[:2] == ["all", "("]:
        return any(word in tests for word in condition) and "not" not in condition and "any" not in condition
    return len(condition) == 1 and condition[0] in tests
