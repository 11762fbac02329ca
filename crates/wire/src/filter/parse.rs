//! Reads filters: recursive descent over tokens, bounded in depth and size.
//!
//! What Dataverse knows and this language does not (lambdas, arithmetic, navigation paths, other
//! functions) is refused by name, so that nobody gets a wrong answer.

use super::lex::{self, Placed, Token};
use super::{Comparison, Filter, Literal, Operand, TextFunction};

/// How deep parentheses and `not` may nest; deeper ones would exhaust a thread's stack.
pub const MAX_DEPTH: usize = 64;
/// How many comparisons and list values a filter may have. A list of identities that fits into a URL
/// has fewer; more would hold a reader for long.
pub const MAX_TERMS: usize = 4096;

const CRM: &str = "Microsoft.Dynamics.CRM.";

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at character {at} of $filter)")]
pub struct ParseError {
    /// What is wrong.
    pub message: String,
    /// Where, counted in characters from 1.
    pub at: usize,
}

type Fallible<T> = Result<T, (String, usize)>;

impl std::str::FromStr for Filter {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        whole(text, |parser| parser.any_of(0))
    }
}

/// Reads a constant on its own, as parameter aliases are assigned them. A JSON object or array, which
/// only metadata functions take, is kept as text.
///
/// # Errors
/// When it is no constant.
pub fn parse_literal(text: &str) -> Result<Literal, ParseError> {
    if text.starts_with(['{', '[']) {
        return Ok(Literal::Text(text.to_owned()));
    }
    whole(text, Parser::literal)
}

fn whole<T>(text: &str, read: impl FnOnce(&mut Parser) -> Fallible<T>) -> Result<T, ParseError> {
    let placed = |(message, at): (String, usize)| ParseError {
        message,
        at: text[..at.min(text.len())].chars().count() + 1,
    };
    let mut parser = Parser {
        tokens: lex::tokens(text).map_err(placed)?,
        next: 0,
        end: text.len(),
        terms: 0,
    };
    let value = read(&mut parser).map_err(placed)?;
    match parser.peek() {
        None => Ok(value),
        Some(token) => Err(placed((after_end(token), parser.here()))),
    }
}

fn after_end(token: &Token) -> String {
    match token {
        Token::Mark(')') => "a closing parenthesis has no opening one".to_owned(),
        token => format!("expected `and`, `or` or the end, found {}", shown(token)),
    }
}

struct Parser {
    tokens: Vec<Placed>,
    next: usize,
    end: usize,
    terms: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|placed| &placed.token)
    }

    fn peek_second(&self) -> Option<&Token> {
        self.tokens.get(self.next + 1).map(|placed| &placed.token)
    }

    fn here(&self) -> usize {
        self.tokens
            .get(self.next)
            .map_or(self.end, |placed| placed.at)
    }

    fn fail<T>(&self, message: impl Into<String>) -> Fallible<T> {
        Err((message.into(), self.here()))
    }

    fn expected<T>(&self, what: &str) -> Fallible<T> {
        match self.peek() {
            Some(token) => self.fail(format!("expected {what}, found {}", shown(token))),
            None => self.fail(format!("expected {what}, found the end")),
        }
    }

    fn take_mark(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(&Token::Mark(mark));
        self.next += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(w)) if w == word);
        self.next += usize::from(found);
        found
    }

    fn demand(&mut self, mark: char) -> Fallible<()> {
        if self.take_mark(mark) {
            return Ok(());
        }
        self.expected(&format!("`{mark}`"))
    }

    fn count_term(&mut self) -> Fallible<()> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return self.fail(format!("more than {MAX_TERMS} comparisons and values"));
        }
        Ok(())
    }

    fn any_of(&mut self, depth: usize) -> Fallible<Filter> {
        let first = self.all_of(depth)?;
        if !matches!(self.peek(), Some(Token::Word(w)) if w == "or") {
            return Ok(first);
        }
        let mut any = vec![first];
        while self.take_word("or") {
            any.push(self.all_of(depth)?);
        }
        Ok(Filter::Or(any))
    }

    fn all_of(&mut self, depth: usize) -> Fallible<Filter> {
        let first = self.one(depth)?;
        if !matches!(self.peek(), Some(Token::Word(w)) if w == "and") {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.take_word("and") {
            all.push(self.one(depth)?);
        }
        Ok(Filter::And(all))
    }

    fn one(&mut self, depth: usize) -> Fallible<Filter> {
        if depth > MAX_DEPTH {
            return self.fail(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        if self.take_word("not") {
            return Ok(Filter::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.take_mark('(') {
            let inner = self.any_of(depth + 1)?;
            self.demand(')')?;
            return Ok(inner);
        }
        self.count_term()?;
        if self.peek_second() == Some(&Token::Mark('('))
            && let Some(Token::Word(name)) = self.peek()
        {
            let name = name.clone();
            return self.function(&name);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Fallible<Filter> {
        let left = self.operand()?;
        let Some(comparison) = self.comparison_word()? else {
            return self.expected("a comparison (eq, ne, gt, ge, lt, le)");
        };
        let right = self.operand()?;
        Ok(Filter::Compare(left, comparison, right))
    }

    /// The comparison that follows, if one does; operators of OData that are none of ours are refused.
    fn comparison_word(&mut self) -> Fallible<Option<Comparison>> {
        let Some(Token::Word(word)) = self.peek() else {
            return Ok(None);
        };
        let comparison = match word.as_str() {
            "eq" => Comparison::Eq,
            "ne" => Comparison::Ne,
            "gt" => Comparison::Gt,
            "ge" => Comparison::Ge,
            "lt" => Comparison::Lt,
            "le" => Comparison::Le,
            "add" | "sub" | "mul" | "div" | "divby" | "mod" => {
                return self.fail(format!("arithmetic (`{word}`) is not supported"));
            }
            "has" | "in" => return self.fail(format!("the operator `{word}` is not supported")),
            _ => return Ok(None),
        };
        self.next += 1;
        Ok(Some(comparison))
    }

    fn operand(&mut self) -> Fallible<Operand> {
        let operand = match self.peek() {
            Some(Token::Literal(literal)) => Operand::Literal(literal.clone()),
            Some(Token::Alias(name)) => Operand::Alias(name.clone()),
            Some(Token::Word(_)) => return self.column().map(Operand::Column),
            Some(Token::Mark(_)) | None => return self.expected("a column or a value"),
        };
        self.next += 1;
        Ok(operand)
    }

    fn column(&mut self) -> Fallible<String> {
        let Some(Token::Word(name)) = self.peek() else {
            return self.expected("a column");
        };
        let name = name.clone();
        match self.peek_second() {
            Some(Token::Mark('(')) => return self.fail(unsupported_function(&name)),
            Some(Token::Mark('/')) => return self.path(&name),
            _ => {}
        }
        if is_reserved(&name) {
            return self.fail(format!("expected a column or a value, found `{name}`"));
        }
        if name.contains(['.', ':']) {
            return self.fail(format!("`{name}` is not a column's name"));
        }
        self.next += 1;
        Ok(name)
    }

    /// Names what kind of path starts here.
    fn path<T>(&self, first: &str) -> Fallible<T> {
        let second = self.tokens.get(self.next + 2).map(|placed| &placed.token);
        match second {
            Some(Token::Word(word)) if word == "any" || word == "all" => self.fail(format!(
                "lambda expressions (`{first}/{word}`) are not supported"
            )),
            Some(Token::Word(word)) => self.fail(format!(
                "navigation paths (`{first}/{word}`) are not supported"
            )),
            _ => self.fail(format!("navigation paths (`{first}/`) are not supported")),
        }
    }

    fn function(&mut self, name: &str) -> Fallible<Filter> {
        let filter = match name {
            "contains" => self.text(TextFunction::Contains)?,
            "startswith" => self.text(TextFunction::StartsWith)?,
            "endswith" => self.text(TextFunction::EndsWith)?,
            "Microsoft.Dynamics.CRM.In" => self.listing(false)?,
            "Microsoft.Dynamics.CRM.NotIn" => self.listing(true)?,
            other => return self.fail(unsupported_function(other)),
        };
        self.truth(filter)
    }

    /// `contains(a,'b') eq true` says the same as `contains(a,'b')`.
    fn truth(&mut self, filter: Filter) -> Fallible<Filter> {
        let Some(comparison) = self.comparison_word()? else {
            return Ok(filter);
        };
        let flag = match (comparison, self.literal()?) {
            (Comparison::Eq, Literal::Bool(flag)) => flag,
            (Comparison::Ne, Literal::Bool(flag)) => !flag,
            _ => {
                return self.fail("a function may only be compared with eq or ne to true or false");
            }
        };
        Ok(if flag {
            filter
        } else {
            Filter::Not(Box::new(filter))
        })
    }

    fn text(&mut self, function: TextFunction) -> Fallible<Filter> {
        self.next += 2;
        let column = self.column()?;
        self.demand(',')?;
        let needle = self.operand()?;
        self.demand(')')?;
        Ok(Filter::Text(function, column, needle))
    }

    fn listing(&mut self, negated: bool) -> Fallible<Filter> {
        self.next += 2;
        self.parameter("PropertyName")?;
        let Literal::Text(column) = self.literal()? else {
            return self.fail("PropertyName must be a column's name in single quotes");
        };
        self.demand(',')?;
        self.parameter("PropertyValues")?;
        let values = self.values()?;
        self.demand(')')?;
        Ok(Filter::In {
            column,
            values,
            negated,
        })
    }

    fn parameter(&mut self, name: &str) -> Fallible<()> {
        if !self.take_word(name) {
            return self.expected(&format!("`{name}`"));
        }
        self.demand('=')
    }

    fn values(&mut self) -> Fallible<Vec<Literal>> {
        self.demand('[')?;
        let mut values = Vec::new();
        if self.take_mark(']') {
            return Ok(values);
        }
        loop {
            self.count_term()?;
            values.push(self.literal()?);
            if !self.take_mark(',') {
                break;
            }
        }
        self.demand(']')?;
        Ok(values)
    }

    fn literal(&mut self) -> Fallible<Literal> {
        let Some(Token::Literal(literal)) = self.peek() else {
            return self.expected("a value");
        };
        let literal = literal.clone();
        self.next += 1;
        Ok(literal)
    }
}

fn is_reserved(word: &str) -> bool {
    matches!(
        word,
        "and" | "or" | "not" | "eq" | "ne" | "gt" | "ge" | "lt" | "le"
    )
}

fn unsupported_function(name: &str) -> String {
    if name.starts_with(CRM) {
        format!("the function `{name}` is not supported; `{CRM}In` and `{CRM}NotIn` are")
    } else {
        format!("the function `{name}` is not supported; contains, startswith and endswith are")
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Word(word) => format!("`{word}`"),
        Token::Literal(literal) => format!("`{literal}`"),
        Token::Alias(name) => format!("`@{name}`"),
        Token::Mark(mark) => format!("`{mark}`"),
    }
}
