package conformance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// variable is `${…}` in a case.
var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

// expand returns a copy of a value of a case in which the variables of its strings, and the ranges in its lists, are what they
// stand for.
func (p *play) expand(ctx context.Context, v any) (any, error) {
	switch v := v.(type) {
	case string:
		return p.expandText(ctx, v)
	case pattern:
		return p.expand(ctx, map[string]any(v))
	case map[string]any:
		expanded := map[string]any{}
		for name, member := range v {
			var err error
			if expanded[name], err = p.expand(ctx, member); err != nil {
				return nil, err
			}
		}
		return expanded, nil
	case []any:
		return p.expandList(ctx, v)
	}
	return v, nil
}

func (p *play) expandList(ctx context.Context, list []any) (any, error) {
	expanded := []any{}
	for _, element := range list {
		if text, ok := element.(string); ok && strings.Contains(text, "..") {
			all, err := ids{text}.expand()
			if err != nil {
				return nil, err
			}
			for _, id := range all {
				expanded = append(expanded, id)
			}
			continue
		}
		e, err := p.expand(ctx, element)
		if err != nil {
			return nil, err
		}
		expanded = append(expanded, e)
	}
	return expanded, nil
}

func (p *play) pattern(ctx context.Context, of pattern) (pattern, error) {
	expanded, err := p.expand(ctx, of)
	if err != nil {
		return nil, err
	}
	return expanded.(map[string]any), nil
}

func (p *play) patterns(ctx context.Context, of []pattern) ([]pattern, error) {
	if of == nil {
		return nil, nil
	}
	all := []pattern{}
	for _, one := range of {
		expanded, err := p.pattern(ctx, one)
		if err != nil {
			return nil, err
		}
		all = append(all, expanded)
	}
	return all, nil
}

func (p *play) expandText(ctx context.Context, text string) (string, error) {
	var failed error
	text = variable.ReplaceAllStringFunc(text, func(whole string) string {
		value, err := p.value(ctx, variable.FindStringSubmatch(whole)[1])
		if err != nil {
			failed = fmt.Errorf("%s: %w", whole, err)
		}
		return value
	})
	return text, failed
}

// value is what a variable stands for.
func (p *play) value(ctx context.Context, expression string) (string, error) {
	name, of, _ := strings.Cut(expression, " ")
	switch name {
	case "cursor":
		return p.cursor(ctx, of)
	case "foreign":
		return foreignCursor(ctx, filepath.Join(p.dir, "foreign"))
	case "oldest":
		status, err := p.gateway.status(ctx)
		return status.GetOldestCursor(), err
	case "version":
		status, err := p.gateway.status(ctx)
		return status.GetVersion(), err
	case "sha256":
		size, ok := p.exports[of]
		if !ok {
			return "", fmt.Errorf("there is no export %q", of)
		}
		sum := sha256.Sum256(exportBytes(of, size))
		return hex.EncodeToString(sum[:]), nil
	case "dir":
		return p.dir, nil
	}
	return "", fmt.Errorf("%q is no variable", name)
}

func (p *play) cursor(ctx context.Context, id string) (string, error) {
	cursor := p.cursors[id]
	if cursor == "" {
		cursors, err := p.gateway.cursors(ctx)
		if err != nil {
			return "", err
		}
		cursor = cursors[id]
	}
	if cursor == "" {
		return "", fmt.Errorf("there is no event %q", id)
	}
	return cursor, nil
}

// foreignCursor returns a cursor of a gateway with another store.
func foreignCursor(ctx context.Context, dir string) (string, error) {
	other, err := newGateway(dir)
	if err != nil {
		return "", err
	}
	defer other.close()
	status, err := other.status(ctx)
	return status.GetHeadCursor(), err
}
