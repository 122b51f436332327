package filter

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
)

// Bounds on a filter's source, so that compiling one is quick whatever it says.
const (
	MaxSource = 8192 // bytes
	maxNodes  = 4096 // of the syntax tree, macros expanded
	maxDepth  = 64   // of nesting
	// maxRegexProgram bounds what a pattern compiles to, in instructions.
	maxRegexProgram = 1000
)

// A Program is a compiled filter. Safe for concurrent use.
type Program struct {
	source string
	key    event.FilterKey
	cel    cel.Program
}

// A SyntaxError says what is wrong with a filter, and where.
type SyntaxError struct {
	Line, Column int // from 1, in characters
	Problem      string
}

func (e *SyntaxError) Error() string {
	if e.Line > 1 {
		return fmt.Sprintf("the filter is wrong at line %d, column %d: %s", e.Line, e.Column, e.Problem)
	}
	return fmt.Sprintf("the filter is wrong at column %d: %s", e.Column, e.Problem)
}

// environment is standard CEL with the one variable `event`. Comparing an int to a double is part of the standard, but in
// this library it has to be asked for.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Types(&strawv1.Event{}),
		cel.Variable(variable, cel.ObjectType(string((&strawv1.Event{}).ProtoReflect().Descriptor().FullName()))),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(MaxSource),
		cel.ExpressionNodeLimit(maxNodes),
		cel.ParserRecursionLimit(maxDepth),
		cel.ParserErrorRecoveryLimit(1),
		cel.RegexProgramSizeLimit(maxRegexProgram),
		// What can only fail when it runs is refused at once.
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateDurationLiterals()),
	)
})

// Compile reads a CEL expression over `event`. It fails with a *SyntaxError if the expression isn't CEL, isn't boolean, or
// uses what filters don't see; and with ErrTooCostly if evaluating it could take too long. Those who compile the same text
// share one program while any of them holds it.
func Compile(source string) (*Program, error) {
	if p := programs.get(source); p != nil {
		return p, nil
	}
	p, err := compile(source)
	if err != nil {
		return nil, err
	}
	return programs.put(p), nil
}

func compile(source string) (*Program, error) {
	if len(source) > MaxSource {
		return nil, &SyntaxError{Line: 1, Column: 1, Problem: fmt.Sprintf("it has %d bytes; at most %d are taken", len(source), MaxSource)}
	}
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("set up CEL: %w", err)
	}
	checked, issues := env.Compile(source)
	if issues.Err() != nil {
		return nil, syntaxError(issues.Errors()[0])
	}
	if err := checkVisible(checked.NativeRep()); err != nil {
		return nil, err
	}
	if out := checked.OutputType(); !out.IsExactType(cel.BoolType) {
		return nil, &SyntaxError{Line: 1, Column: 1, Problem: fmt.Sprintf("it must be true or false for an event, but is of type %s", out)}
	}
	worst, err := checkCost(env, checked)
	if err != nil {
		return nil, err
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if worst >= watchedCost {
		options = append(options, cel.CostLimit(maxCost))
	}
	program, err := env.Program(checked, options...)
	if err != nil {
		return nil, &SyntaxError{Line: 1, Column: 1, Problem: err.Error()}
	}
	p := &Program{source: strings.Clone(source), cel: program} // source may be a part of a request
	sum := sha256.Sum256([]byte(source))
	copy(p.key[:], sum[:])
	return p, nil
}

func syntaxError(e *cel.Error) *SyntaxError {
	// Some problems, such as too deep a nesting, have no place.
	line, column := max(1, e.Location.Line()), max(0, e.Location.Column())+1
	// Of a syntax error the parser lists everything that it would have taken instead.
	problem, _, _ := strings.Cut(e.Message, " expecting {")
	return &SyntaxError{Line: line, Column: column, Problem: problem}
}

// Source is the expression as it was given.
func (p *Program) Source() string { return p.source }

// Match reports whether the filter is true for the event. An error means that it can't be evaluated on this event, such as
// for a division by zero; treat that as no match, and count it. It doesn't change the event.
func (p *Program) Match(e *strawv1.Event) (bool, error) {
	out, _, err := p.cel.Eval(&activation{event: e})
	if err != nil {
		// It may quote a text of the event, which may be long.
		return false, fmt.Errorf("evaluate the filter: %.200s", err.Error())
	}
	matched, ok := out.Value().(bool)
	if !ok {
		return false, fmt.Errorf("the filter gave %s instead of true or false", out.Type().TypeName())
	}
	return matched, nil
}

// An activation gives a program its one variable, for less than a map would cost.
type activation struct{ event *strawv1.Event }

func (a *activation) ResolveName(name string) (any, bool) {
	if name != variable {
		return nil, false
	}
	return a.event, true
}

func (a *activation) Parent() cel.Activation { return nil }
