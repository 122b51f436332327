package main

import (
	"encoding/json"
	"math"
	"slices"
	"time"
)

// A Series is one figure in every round, in the rounds' order.
type Series []float64

// MarshalJSON writes null for what JSON has no number for.
func (s Series) MarshalJSON() ([]byte, error) {
	values := make([]*float64, len(s))
	for i := range s {
		if !math.IsNaN(s[i]) && !math.IsInf(s[i], 0) {
			values[i] = &s[i]
		}
	}
	return json.Marshal(values)
}

// Median is NaN for an empty series.
func (s Series) Median() float64 { return s.quantile(0.5) }

// Min is NaN for an empty series.
func (s Series) Min() float64 { return s.quantile(0) }

// Max is NaN for an empty series.
func (s Series) Max() float64 { return s.quantile(1) }

// quantile interpolates between the two nearest ranks.
func (s Series) quantile(q float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Clone(s)
	slices.Sort(sorted)
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below == len(sorted)-1 {
		return sorted[below]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}

// over divides round by round: both sides of a round met the same machine in the same mood, so their ratio varies less
// than either figure. It stops at the shorter series.
func (s Series) over(t Series) Series {
	ratio := make(Series, 0, len(s))
	for i := range min(len(s), len(t)) {
		ratio = append(ratio, s[i]/t[i])
	}
	return ratio
}

// percentile returns the nearest-rank percentile of durations, p in 0 to 1, and 0 if there are none. It sorts them.
func percentile(d []time.Duration, p float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	rank := int(math.Ceil(p*float64(len(d)))) - 1
	return d[max(rank, 0)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
