package filter

import (
	"fmt"

	"cel.dev/cel-go/common/ast"
)

// variable is the one name that a filter knows.
const variable = "event"

// hidden are the fields of an event that filters don't see: a cursor differs between copies of one log, and the body is
// as its sender wrote it, for which the typed payload stands.
var hidden = map[string]bool{"raw": true, "cursor": true}

// checkVisible refuses hidden fields. It also refuses the event as a whole: compared, put in a list or made dynamic, it
// would show them all the same.
func checkVisible(tree *ast.AST) error {
	var failure error
	fail := func(e ast.Expr, problem string) {
		if failure == nil {
			at := tree.SourceInfo().GetStartLocation(e.ID())
			failure = &SyntaxError{Line: max(1, at.Line()), Column: max(0, at.Column()) + 1, Problem: problem}
		}
	}
	fields := make(map[int64]bool) // the uses of the variable that a field is selected from
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.SelectKind:
			if of := e.AsSelect().Operand(); isVariable(of) {
				fields[of.ID()] = true
				if name := e.AsSelect().FieldName(); hidden[name] {
					fail(e, fmt.Sprintf("filters don't see `event.%s`", name))
				}
			}
		case ast.IdentKind:
			if isVariable(e) && !fields[e.ID()] {
				fail(e, "`event` can't be used as a whole; use its fields, such as `event.type`")
			}
		}
	}))
	return failure
}

func isVariable(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == variable }
