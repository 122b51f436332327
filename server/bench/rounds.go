package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// A Sample is what one side's measurement gave in one round, by name.
type Sample map[string]float64

// A Side is one of the programs that are compared.
type Side struct {
	Name    string
	Measure func(context.Context) (Sample, error)
}

// Measured holds every sample of a row: side, then name, then rounds. A side that wasn't measured has empty series.
type Measured map[string]map[string]Series

func (m Measured) figure(side, name string) Figure { return Figure{side, m[side][name]} }

// rounds measures all sides in each round, one after the other, and turns their order around from round to round, so that a
// machine that gets slower or faster meanwhile favours none.
func (b *Bench) rounds(ctx context.Context, row string, sides ...Side) (Measured, error) {
	measured := Measured{}
	for round := range b.scale.Rounds {
		for _, side := range sides {
			b.progress("%s: round %d of %d: %s", row, round+1, b.scale.Rounds, side.Name)
			sample, err := side.Measure(ctx)
			if errors.Is(err, errLimitsOnly) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", side.Name, err)
			}
			measured.add(side.Name, sample)
		}
		slices.Reverse(sides)
	}
	b.raw[row] = measured
	return measured, nil
}

func (m Measured) add(side string, sample Sample) {
	if m[side] == nil {
		m[side] = map[string]Series{}
	}
	for name, value := range sample {
		m[side][name] = append(m[side][name], value)
	}
}
