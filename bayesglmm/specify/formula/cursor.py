"""`Cursor`: a position among the tokens of a formula, with the errors for unexpected ones."""

from dataclasses import dataclass, field
from unicodedata import normalize

from bayesglmm.errors import FormulaError
from bayesglmm.specify.formula.tokens import Token, scan

__all__ = ["COMPARISONS", "Cursor"]

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")

_DEEPEST = 40


@dataclass
class Cursor:
    """Moves through a formula text from left to right, in Unicode's NFC like the names of columns."""

    text: str
    tokens: tuple[Token, ...] = ()
    next: int = 0
    depth: int = 0
    open: list[Token] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.text = normalize("NFC", self.text)
        self.tokens = scan(self.text)

    @property
    def token(self) -> Token:
        """The token not yet consumed."""
        return self.tokens[self.next]

    def take(self) -> Token:
        """Consume one token."""
        token = self.token
        self.next += 1
        return token

    def at_end(self) -> bool:
        """Whether every token is consumed."""
        return self.token.type == "end"

    def at_operator(self, *operators: str) -> bool:
        """Whether the next token is one of these operators."""
        return self.token.type == "operator" and self.token.text in operators

    def fail(self, reason: str, at: int | None = None) -> FormulaError:
        """Word an error that points into the text."""
        return FormulaError(reason, self.text, self.token.at if at is None else at)

    def enter(self) -> None:
        """Go one level deeper, within what Python's stack allows."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.fail(f"nested more than {_DEEPEST} deep; make composite columns in the data first")

    def leave(self) -> None:
        """Come back one level."""
        self.depth -= 1

    def open_parenthesis(self) -> None:
        """Consume an opening parenthesis and remember where it stands."""
        self.open.append(self.take())

    def close_parenthesis(self) -> None:
        """Consume the closing parenthesis that must stand here."""
        if not self.at_operator(")"):
            raise self.unexpected(f"the parenthesis opened at character {self.open[-1].at + 1} is not closed before")
        self.open.pop()
        self.take()

    def unexpected(self, context: str) -> FormulaError:
        """Word an error for an unexpected token; `context` begins the message where the token has none of its own."""
        token = self.token
        if token.type == "end":
            if self.open:
                return self.fail("this parenthesis is never closed; add ')'", self.open[-1].at)
            return self.fail(f"{context} the end; something is missing here")
        if token.type != "operator" or token.text == "(":
            return self.fail(f"an operator is missing before {token.text!r}; write '+', '*' or ':' between two terms")
        return self.fail(self._misplaced(token.text) or f"{context} {token.text!r}; something is missing here")

    def _misplaced(self, operator: str) -> str | None:
        inside = bool(self.open)
        match operator:
            case "|" | "||" if inside:
                return "a bar has no meaning here; a block is written (1 | group), added to the other terms"
            case "|" | "||":
                return "a bar stands outside parentheses; write (1 | group) or (1 + x | group)"
            case ")" if not inside:
                return "this parenthesis closes nothing; remove it or open one"
            case "~" if inside:
                return "a '~' stands inside parentheses; close them first"
            case "~":
                return "a second '~'; a formula has one response and one right-hand side"
            case "=":
                return "'=' names an argument inside a call; write '~' after the response and '==' in a condition"
            case "," if not inside:
                return "a comma outside a call; join terms with '+'"
            case ":" if inside:
                return "':' has no meaning inside a call; cross terms outside it, as in log(x):z"
            case _ if operator in COMPARISONS:
                return f"{operator!r} has no meaning here; write I(x {operator} …), one comparison at a time"
            case _:
                return None
