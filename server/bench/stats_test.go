package main

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSeries(t *testing.T) {
	tests := []struct {
		name             string
		series           Series
		median, min, max float64
	}{
		{"one", Series{7}, 7, 7, 7},
		{"odd", Series{9, 1, 5}, 5, 1, 9},
		{"even: between the middle two", Series{4, 1, 3, 2}, 2.5, 1, 4},
		{"an outlier moves the median little", Series{10, 11, 12, 13, 1000}, 12, 10, 1000},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := []float64{test.series.Median(), test.series.Min(), test.series.Max()}
			if diff := cmp.Diff([]float64{test.median, test.min, test.max}, got); diff != "" {
				t.Errorf("median, min, max (-want +got):\n%s", diff)
			}
		})
	}
	if got := (Series{}).Median(); !math.IsNaN(got) {
		t.Errorf("the median of nothing is %v, want NaN", got)
	}
}

func TestMedianLiesInTheMiddle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Series(rapid.SliceOfN(rapid.Float64Range(-1e9, 1e9), 1, 50).Draw(t, "series"))
		before := slices.Clone(s)
		median, below, above := s.Median(), 0, 0
		for _, v := range s {
			if v < median {
				below++
			}
			if v > median {
				above++
			}
		}
		if below > len(s)/2 || above > len(s)/2 {
			t.Errorf("%d of %d values lie below the median %v and %d above", below, len(s), median, above)
		}
		if !slices.Equal(before, s) {
			t.Errorf("the series was reordered: %v became %v", before, s)
		}
	})
}

func TestRatiosAreTakenRoundByRound(t *testing.T) {
	// The machine was three times as fast in the second round: both sides were, so the ratio is steady.
	straw, limit := Series{90, 270, 95}, Series{100, 300, 100}
	got := straw.over(limit)
	if diff := cmp.Diff(Series{0.9, 0.9, 0.95}, got); diff != "" {
		t.Errorf("ratios (-want +got):\n%s", diff)
	}
	if got := straw.over(nil); len(got) != 0 {
		t.Errorf("without a limit there are ratios: %v", got)
	}
}

func TestGrowth(t *testing.T) {
	tests := []struct {
		name  string
		costs Series
		want  float64
	}{
		{"flat", Series{8, 8, 8}, 1},
		{"falling", Series{40, 10, 8}, 1},
		{"rising", Series{8, 10, 12}, 1.5},
		{"falling, then rising", Series{40, 8, 10, 12}, 1.5},
		{"lost in the noise", Series{-2, 8, 8}, math.Inf(1)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := growth(test.costs); !slices.Equal(got, Series{test.want}) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestMatch(t *testing.T) {
	sent := []int64{100, 200, 300}
	got, err := match(sent, [][]int64{{0, 250, 310}, {105, 260, 390}}, 1)
	if want := []time.Duration{50, 10, 60, 90}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v: the first event belongs to the warm-up", got, err, want)
	}
	if _, err := match(sent, [][]int64{{101, 0, 301}}, 0); err == nil {
		t.Error("an event that never came went unnoticed")
	}
}

func TestSeriesInJSON(t *testing.T) {
	got, err := json.Marshal(Series{1.5, math.Inf(1), math.NaN()})
	if err != nil || string(got) != "[1.5,null,null]" {
		t.Errorf("got %s, %v; want [1.5,null,null]", got, err)
	}
}

func TestPercentile(t *testing.T) {
	var hundred []time.Duration
	for i := 100; i > 0; i-- {
		hundred = append(hundred, time.Duration(i))
	}
	tests := []struct {
		name      string
		durations []time.Duration
		p         float64
		want      time.Duration
	}{
		{"none", nil, 0.99, 0},
		{"one", []time.Duration{5}, 0.99, 5},
		{"p50 of 1 to 100", hundred, 0.50, 50},
		{"p99 of 1 to 100", hundred, 0.99, 99},
		{"the highest", hundred, 1, 100},
		{"the lowest", hundred, 0, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := percentile(slices.Clone(test.durations), test.p); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}
