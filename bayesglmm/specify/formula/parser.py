"""Recursive descent from tokens to a tree: two small grammars, one for terms and one for arithmetic.

formula    = response ["|" addition ("+" addition)*] "~" terms
addition   = ("trials" | "rate" | "weights") "(" arithmetic ")"
terms      = ["-" | "+"] product (("+" | "-") product)*
product    = interaction (("*" | "/") interaction)*
interaction= power (":" power)*
power      = atom ["^" number]
atom       = name | number | call | "(" terms ["|" group | "||" group] ")"
call       = function "(" [argument ("," argument)*] ")"
argument   = arithmetic | key "=" constant
arithmetic = the usual, with comparisons, over names, numbers, strings and calls
"""

import re

from bayesglmm.errors import FormulaError
from bayesglmm.specify.formula.calls import check_call
from bayesglmm.specify.formula.cursor import COMPARISONS, Cursor
from bayesglmm.specify.formula.nodes import Bar, Binary, Call, Name, Node, Number, Text, Unary, render
from bayesglmm.specify.formula.tokens import Token

__all__ = ["Reader"]


class Reader(Cursor):
    """Reads one formula text from left to right."""

    # -- the whole -------------------------------------------------------------------------------

    def sides(self) -> tuple[Node, dict[str, Node], Node]:
        """Read the response, what stands behind its bar by name, and the terms.

        A response in two columns comes back as a call.
        """
        if self.at_end():
            raise self.fail("the formula is empty; write response ~ predictors + (1 | group)")
        if self.at_operator("~"):
            raise self.fail("the left-hand side is empty; name the response before '~'")
        left = self._response()
        additions = self._additions(render(left)) if self.at_operator("|") else {}
        if not self.at_operator("~"):
            if self.at_end():
                raise self.fail("there is no '~'; write response ~ predictors")
            raise self.unexpected("the response ends before")
        self.take()
        if self.at_end():
            raise self.fail("the right-hand side is empty; write 1 for an intercept alone")
        right = self.terms()
        if not self.at_end():
            raise self.unexpected("the terms end before")
        return left, additions, right

    def _additions(self, outcome: str) -> dict[str, Node]:
        """Read `| trials(n) + weights(w)` and `| rate(e)`, in brms' way, behind the response."""
        additions: dict[str, Node] = {}
        more = True
        while more:
            sign = self.take()
            name = self.token
            if name.text not in ("trials", "rate", "weights"):
                raise self._not_an_addition(outcome, sign)
            if name.text in additions:
                raise self.fail(f"{name.text}(…) is given twice", name.at)
            self.take()
            if not self.at_operator("("):
                raise self.fail(f"{name.text} takes a column: {name.text}(n)", name.at)
            self.open_parenthesis()
            additions[name.text] = self._sum()
            self.close_parenthesis()
            more = self.at_operator("+")
        return additions

    def _not_an_addition(self, outcome: str, sign: Token) -> FormulaError:
        """Word an error for anything else behind the response."""
        term = self.token.text
        match = re.match(r"\s*\w+\s*\(\s*([^()]*?)\s*\)", self.text[self.token.at :])
        inner = match[1] if match else "…"
        instead = {
            "vint": f"a response with trials is written p({outcome}, {inner})",
        }
        return self.fail(
            instead.get(
                term,
                "behind the response stand trials(n), rate(e) or weights(w); a block of random effects is added on the "
                "right: (1 | group)",
            ),
            sign.at,
        )

    def _response(self) -> Node:
        node = self._sum()
        if isinstance(node, Name | Call):
            return node
        if isinstance(node, Binary) and node.operator == "/":
            raise self.fail("a proportion is written p(successes, trials)", node.at)
        raise self.fail("the response is a column, or I(…) around arithmetic", node.at)

    # -- terms -----------------------------------------------------------------------------------

    def terms(self) -> Node:
        """Read a sum of terms."""
        self.enter()
        if self.at_operator("-"):
            minus = self.take()
            node: Node = Unary(self._product(), minus.at)
        else:
            if self.at_operator("+"):
                self.take()
            node = self._product()
        while self.at_operator("+", "-"):
            operator = self.take()
            node = Binary(operator.text, node, self._product(), operator.at)
        self.leave()
        return node

    def _product(self) -> Node:
        node = self._interaction()
        while self.at_operator("*", "/"):
            operator = self.take()
            node = Binary(operator.text, node, self._interaction(), operator.at)
        return node

    def _interaction(self) -> Node:
        node = self._power()
        while self.at_operator(":"):
            operator = self.take()
            node = Binary(":", node, self._power(), operator.at)
        return node

    def _power(self) -> Node:
        node = self._atom()
        if not self.at_operator("^"):
            return node
        operator = self.take()
        degree = self.token
        if degree.type != "number" or degree.text not in tuple("123456789"):
            raise self.fail("between terms '^' takes a whole number from 1 to 9; for a power of x write I(x^2)")
        self.take()
        if self.at_operator("^"):
            raise self.fail("one '^' at a time; for a power of x write I(x^2)")
        return Binary("^", node, Number(degree.text, degree.at), operator.at)

    def _atom(self) -> Node:
        token = self.token
        if token.type == "number":
            self.take()
            if token.text not in ("0", "1"):
                raise self.fail(
                    f"between terms a number is 1 (intercept) or 0 (none), not {token.text}; for arithmetic write I(…)",
                    token.at,
                )
            return Number(token.text, token.at)
        if token.type == "text":
            raise self.fail(f'"{token.text}" is a string; a column is written without quotes, or in `backticks`')
        if token.type == "name":
            return self._name_or_call()
        if self.at_operator("("):
            return self._parenthesised()
        raise self.unexpected("a term is expected before")

    def _parenthesised(self) -> Node:
        self.open_parenthesis()
        if self.at_operator("|", "||"):
            raise self.fail("nothing stands before the bar; write (1 | group) for a random intercept")
        if self.at_operator(")"):
            raise self.fail("these parentheses are empty")
        node = self.terms()
        if not self.at_operator("|", "||"):
            self.close_parenthesis()
            return node
        bar = self.take()
        if self.at_operator(")") or self.at_end():
            raise self.fail("nothing stands after the bar; name the grouping factor")
        group = self._product()
        if self.at_operator("|", "||"):
            raise self.fail("a second bar in one block; write two blocks: (1 | a) + (1 | b)")
        if self.at_operator("+", "-"):
            raise self.fail("a grouping factor is a, a:b or a/b; for crossed factors write (1 | a) + (1 | b)")
        self.close_parenthesis()
        return Bar(node, group, bar.text == "|", bar.at)

    # -- calls and arithmetic --------------------------------------------------------------------

    def _name_or_call(self) -> Node:
        token = self.take()
        quoted = self.text[token.at] == "`"
        if not quoted and token.text == "lambda":
            raise self.fail("lambda is not read; make the column in the data first", token.at)
        if quoted or not self.at_operator("("):
            return Name(token.text, token.at)
        return self._call(token)

    def _call(self, name: Token) -> Node:
        self.enter()
        self.open_parenthesis()
        args: list[Node] = []
        keywords: list[tuple[str, Node]] = []
        more = not self.at_operator(")")
        while more:
            if self._at_keyword():
                key = self.take()
                self.take()
                if key.text in dict(keywords):
                    raise self.fail(f"{key.text} is given twice", key.at)
                keywords.append((key.text, self._comparison()))
            elif keywords:
                raise self.fail("a plain argument after a keyword; put it first")
            else:
                args.append(self._comparison())
            more = self.at_operator(",")
            if more:
                self.take()
        self.close_parenthesis()
        self.leave()
        call = Call(name.text, tuple(args), tuple(keywords), name.at)
        check_call(call, self.text)
        return call

    def _at_keyword(self) -> bool:
        following = self.tokens[min(self.next + 1, len(self.tokens) - 1)]
        return self.token.type == "name" and following.type == "operator" and following.text == "="

    def _comparison(self) -> Node:
        node = self._sum()
        if self.at_operator(*COMPARISONS):
            operator = self.take()
            node = Binary(operator.text, node, self._sum(), operator.at)
        return node

    def _sum(self) -> Node:
        node = self._quotient()
        while self.at_operator("+", "-"):
            operator = self.take()
            node = Binary(operator.text, node, self._quotient(), operator.at)
        return node

    def _quotient(self) -> Node:
        node = self._signed()
        while self.at_operator("*", "/"):
            operator = self.take()
            node = Binary(operator.text, node, self._signed(), operator.at)
        return node

    def _signed(self) -> Node:
        if not self.at_operator("-"):
            return self._exponent()
        minus = self.take()
        self.enter()
        node = Unary(self._signed(), minus.at)
        self.leave()
        return node

    def _exponent(self) -> Node:
        node = self._value()
        if not self.at_operator("^"):
            return node
        operator = self.take()
        self.enter()
        node = Binary("^", node, self._signed(), operator.at)
        self.leave()
        return node

    def _value(self) -> Node:
        token = self.token
        if token.type == "number":
            self.take()
            return Number(token.text, token.at)
        if token.type == "text":
            self.take()
            return Text(token.text, token.at)
        if token.type == "name":
            return self._name_or_call()
        if self.at_operator("("):
            self.enter()
            self.open_parenthesis()
            node = self._comparison()
            self.close_parenthesis()
            self.leave()
            return node
        raise self.unexpected("a value is expected before")
