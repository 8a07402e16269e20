"""The one small language that fills slots, shows blocks and picks people, and its first interpreter.

    {{ first_name | default("friend") }}                  a slot in a text (`parse_text`, `lift`)
    when: '"researcher" in tags'                          shows a block
    --where 'country == "KE" and joined >= "2026-01-31"'  picks people

What may stand in an expression (Jinja's grammar, far fewer words; everything else is an `ExpressionError`):

- the names of `FIELDS`, and a project's own fields as `attributes.NAME` or `attributes["NAME"]`;
- texts in straight quotes, whole and decimal numbers, `true`, `false`, `none`; dates as texts, "2026-01-31";
- `==  !=  <  <=  >  >=` between two values, one comparison at a time; `in` and `not in`; `and`, `or`, `not`; brackets;
- the filters `default("…")`, `upper`, `lower`, `title`, `date("short" | "medium" | "long" | "full")`.

What it means. These rules are total (every expression has an answer for every person, nothing raises) and two-valued
(a condition is true or false, never unknown), and every interpreter follows them:

- A field that a person lacks is nothing. `x == none` is true then, and only then. Any other `==`, `<`, `<=`, `>`, `>=`
  with nothing on a side is false, also with nothing on both. `!=` is the opposite of `==`, and `not in` of `in`: who
  has no country fulfils `country != "KE"`.
- Values of different sorts (text, number, true/false, date) are never equal and have no order; `true` is not 1, and
  true and false have no order. Fields are texts, `joined` is a date: comparing them with what they cannot be is
  refused. What an own field holds is only known with the person: text, number, true/false or nothing. What else JSON
  knows counts as nothing, and so do numbers that are not finite and whole numbers beyond 64 bits.
- Texts are compared by code point, so case matters and "Z" < "a"; in SQL that is SQLite's BINARY and PostgreSQL's "C"
  collation. A written date stands for that day next to `joined` only; in an own field dates are texts, which sort well.
- `x in tags` asks for exactly this tag. `x in ["KE", "UG"]` is true if x == one of them. `x in country`, with a text
  on the right, asks whether x is a part of it ("@example.org" in email); the empty text is a part of every text.
- Where a condition is wanted, a value is true if it is there, not empty and not zero: `tags`, `not first_name`. A text
  or number that is written down is refused there, since `country == "KE" or "UG"` is a slip.
- `default(x)` stands in for nothing and for the empty text. `upper` and `lower` are Unicode's full mappings, in any
  language the same; `title` raises the first letters of a name (O'Neil, Jean-Luc; McDonald stays); these three leave
  alone what is no text. `date` writes `joined`, or an own field that holds an ISO date, in the reader's language; as
  2026-01-31 if the language is not known, and as an empty text if there is no date. `title` and `date` are for showing:
  conditions refuse them.
- A slot shows nothing as an empty text, tags with ", " between them, true and false as these words, 3.0 as 3, a date as
  2026-01-31. A condition in a slot is refused.

Sources have at most 1,000 characters, 20 levels and 100 parts, so reading and asking take bounded time. Nothing of a
reader's or a writer's is ever compiled or run by Jinja. Another interpreter walks `Expression.tree`.
"""

from newsletter.expressions.expression import Expression, parse_expression
from newsletter.expressions.text import Slot, lift, parse_text, text_errors
from newsletter.expressions.tree import FIELDS, Kind, Person, Value

__all__ = [
    "FIELDS",
    "Expression",
    "Kind",
    "Person",
    "Slot",
    "Value",
    "lift",
    "parse_expression",
    "parse_text",
    "text_errors",
]
