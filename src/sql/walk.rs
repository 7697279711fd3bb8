//! Walks over syntax.
//!
//! The parser's visitors are generic, and the code of a walk is that of the whole grammar: a few hundred functions for
//! each type that visits. So all walks are made by the two types of this file, which call what differs through a pointer.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, ObjectName, Query, Visit, VisitMut, Visitor, VisitorMut};

/// What a walk comes by.
enum Node<'a> {
    Expr(&'a Expr),
    Query,
    QueryEnd,
    Relation(&'a ObjectName),
}

struct Walk<'a>(&'a mut dyn FnMut(Node<'_>) -> ControlFlow<()>);

impl Visitor for Walk<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        (self.0)(Node::Expr(expr))
    }

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        (self.0)(Node::Query)
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        (self.0)(Node::QueryEnd)
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        (self.0)(Node::Relation(relation))
    }
}

/// Shows each expression in `syntax`, parents before their parts, until one breaks.
pub fn expressions<B>(syntax: &impl Visit, see: impl FnMut(&Expr) -> ControlFlow<B>) -> ControlFlow<B> {
    walk_expressions(syntax, true, see)
}

/// Shows each expression in `syntax` that is not in a subquery, parents before their parts, until one breaks.
pub fn own_expressions<B>(syntax: &impl Visit, see: impl FnMut(&Expr) -> ControlFlow<B>) -> ControlFlow<B> {
    walk_expressions(syntax, false, see)
}

fn walk_expressions<B>(
    syntax: &impl Visit,
    in_queries: bool,
    mut see: impl FnMut(&Expr) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let mut depth = 0;
    let mut broken = ControlFlow::Continue(());
    let _ = syntax.visit(&mut Walk(&mut |node| match node {
        Node::Expr(expr) if in_queries || depth == 0 => {
            broken = see(expr);
            if broken.is_break() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
        Node::Query => {
            depth += 1;
            ControlFlow::Continue(())
        }
        Node::QueryEnd => {
            depth -= 1;
            ControlFlow::Continue(())
        }
        Node::Expr(_) | Node::Relation(_) => ControlFlow::Continue(()),
    }));
    broken
}

/// Whether an expression in `syntax` is what is looked for.
pub fn any_expression(syntax: &impl Visit, mut is: impl FnMut(&Expr) -> bool) -> bool {
    expressions(syntax, |e| if is(e) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }).is_break()
}

/// Whether an expression in `syntax` that is not in a subquery is what is looked for.
pub fn any_own_expression(syntax: &impl Visit, mut is: impl FnMut(&Expr) -> bool) -> bool {
    let walked =
        own_expressions(syntax, |e| if is(e) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
    walked.is_break()
}

/// Shows each expression in `syntax`, parents before their parts.
pub fn for_each_expression(syntax: &impl Visit, mut see: impl FnMut(&Expr)) {
    let _: ControlFlow<()> = expressions(syntax, |e| {
        see(e);
        ControlFlow::Continue(())
    });
}

/// Whether a table that `syntax` names is what is looked for.
pub fn any_relation(syntax: &impl Visit, mut is: impl FnMut(&ObjectName) -> bool) -> bool {
    let walked = syntax.visit(&mut Walk(&mut |node| match node {
        Node::Relation(name) if is(name) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    }));
    walked.is_break()
}

/// Whether there is a query in `syntax`.
pub fn has_query(syntax: &impl Visit) -> bool {
    let walked = syntax.visit(&mut Walk(&mut |node| match node {
        Node::Query => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    }));
    walked.is_break()
}

/// Changes expressions.
pub trait Rewrite {
    /// Before the parts of an expression.
    fn enter(&mut self, _: &mut Expr) {}

    /// Behind its parts, so that what is put in its place is not looked at.
    fn leave(&mut self, expr: &mut Expr);
}

struct WalkMut<'a> {
    rewrite: &'a mut dyn Rewrite,
    in_queries: bool,
    /// How many subqueries are around.
    depth: usize,
}

impl VisitorMut for WalkMut<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.in_queries || self.depth == 0 {
            self.rewrite.enter(expr);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.in_queries || self.depth == 0 {
            self.rewrite.leave(expr);
        }
        ControlFlow::Continue(())
    }
}

/// Changes the expressions in `syntax`.
pub fn rewrite(syntax: &mut impl VisitMut, rewrite: &mut dyn Rewrite) {
    let _ = syntax.visit(&mut WalkMut { rewrite, in_queries: true, depth: 0 });
}

struct Leave<F>(F);

impl<F: FnMut(&mut Expr)> Rewrite for Leave<F> {
    fn leave(&mut self, expr: &mut Expr) {
        (self.0)(expr);
    }
}

/// Changes the expressions in `syntax`, parts before their parents.
pub fn rewrite_expressions(syntax: &mut impl VisitMut, change: impl FnMut(&mut Expr)) {
    rewrite(syntax, &mut Leave(change));
}

/// Changes the expressions in `syntax` that are not in a subquery, parts before their parents.
pub fn rewrite_own_expressions(syntax: &mut impl VisitMut, change: impl FnMut(&mut Expr)) {
    let _ = syntax.visit(&mut WalkMut { rewrite: &mut Leave(change), in_queries: false, depth: 0 });
}
