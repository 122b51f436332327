package filter

import (
	"errors"
	"fmt"
	"regexp/syntax"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"github.com/straw-gateway/straw/server/internal/event"
)

// ErrTooCostly means that a filter could take too long on an event.
var ErrTooCostly = errors.New("the filter could take too long; use fewer or shorter lists, patterns and nested macros")

// Limits on what one evaluation may cost, in CEL's units of about 25 ns: 2.5 ms on an event whose texts are of an ordinary
// size, and as much more on the largest possible event as that is larger. Every event is within the latter, so no
// accepted filter is cut short while it runs.
const (
	ordinaryText = 1 << 10
	ordinaryCost = 100_000
	largestText  = event.MaxBody
	maxCost      = ordinaryCost * (largestText / ordinaryText)
)

// watchedCost is from where on a filter's cost is also counted while it runs, which takes it twice as long.
const watchedCost = 1000

// checkCost returns what the filter may cost on the largest event.
func checkCost(env *cel.Env, checked *cel.Ast) (worst uint64, err error) {
	for _, bound := range []struct{ text, cost uint64 }{{ordinaryText, ordinaryCost}, {largestText, maxCost}} {
		estimate, err := env.EstimateCost(checked, sizes{text: bound.text})
		if err != nil {
			return 0, fmt.Errorf("estimate the filter's cost: %w", err)
		}
		if estimate.Max > bound.cost {
			return 0, fmt.Errorf("%w: up to %d units for an event with texts of %d bytes, where %d are allowed",
				ErrTooCostly, estimate.Max, bound.text, bound.cost)
		}
		worst = estimate.Max
	}
	return worst, nil
}

// sizes tells the estimator how long the event's texts may be, and what patterns cost.
type sizes struct{ text uint64 }

// EstimateSize bounds what is read from the event; what the filter itself builds is sized by the standard model.
func (s sizes) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	path := node.Path()
	if len(path) < 2 || path[0] != variable {
		return nil
	}
	size := cost.RangedSizeEstimate(0, s.text)
	if len(path) == 2 && path[1] == "id" {
		size.Max = min(size.Max, event.MaxID)
	}
	return &size
}

// EstimateCallCost prices patterns and new texts; every other function is left to the standard model. That prices a pattern
// by its length, so that `([ab]{1,20}){1,20}` would pass as cheap, and takes 9 µs a character; and a new text by the time
// that it takes, so that a filter could hold a gigabyte.
func (s sizes) EstimateCallCost(_, overload string, target *cost.AstNode, args []cost.AstNode) *cost.CallEstimate {
	if target != nil {
		args = append([]cost.AstNode{*target}, args...)
	}
	const perNewCharacter = 4 // 25 MB in all at the most
	switch overload {
	case overloads.Matches, overloads.MatchesString:
		text := s.sizeOf(args[0])
		return &cost.CallEstimate{CostEstimate: atLeastOne(text, patternFactor(args[1].Expr()))}
	case overloads.AddString, overloads.AddBytes:
		text := s.sizeOf(args[0]).Add(s.sizeOf(args[1]))
		return &cost.CallEstimate{CostEstimate: atLeastOne(text, perNewCharacter), ResultSize: &text}
	case overloads.StringToBytes, overloads.BytesToString:
		text := s.sizeOf(args[0])
		text.Max = cost.SafeMultiply(text.Max, 4) // a character has up to four bytes
		return &cost.CallEstimate{CostEstimate: atLeastOne(text, perNewCharacter), ResultSize: &text}
	}
	return nil
}

func (s sizes) sizeOf(node cost.AstNode) cost.SizeEstimate {
	if computed := node.ComputedSize(); computed != nil {
		return *computed
	}
	if known := s.EstimateSize(node); known != nil {
		return *known
	}
	return cost.UnknownSizeEstimate()
}

func atLeastOne(size cost.SizeEstimate, factor float64) cost.Estimate {
	return cost.Estimate{Min: 1, Max: cost.SafeAdd(cost.SafeMultiplyByFactor(size.Max, factor), uint64(factor), 1)}
}

// patternFactor is what matching a pattern costs for each character of the text: each instruction of its program may be
// tried there, which takes 11 ns. It is never below the standard model's figure, which counts while the filter runs.
func patternFactor(pattern ast.Expr) float64 {
	const perInstruction, perCharacter = 0.4, 0.025
	instructions := maxRegexProgram // of a pattern that isn't known yet
	var length int
	if pattern.Kind() == ast.LiteralKind {
		if source, ok := pattern.AsLiteral().(types.String); ok {
			length = len(source)
			if parsed, err := syntax.Parse(string(source), syntax.Perl); err == nil {
				if program, err := syntax.Compile(parsed.Simplify()); err == nil {
					instructions = len(program.Inst)
				}
			}
		}
	}
	return max(perInstruction*float64(instructions), perCharacter*float64(length))
}
