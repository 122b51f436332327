package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// A Result is one line of the table.
type Result struct {
	Row  string // the row's name, as -rows takes it
	What string
	Unit string
	// Limit and Straw are the figures side by side; Limit has no values where the bar is absolute.
	Limit, Straw Figure
	// Ratio is Straw's figure over the limit's, round by round.
	Ratio Series `json:",omitempty"`
	// Wanted is the bar, for the ratio's median or, without a limit, for Straw's.
	Wanted Bar
	// Pass is nil if there is no bar, or nothing to hold it against.
	Pass *bool  `json:",omitempty"`
	Note string `json:",omitempty"`
}

// A Figure is what one side was measured at.
type Figure struct {
	Name   string
	Values Series
}

// A Bar is a bound on one side. The zero value bounds nothing.
type Bar struct {
	AtLeast float64 `json:",omitempty"`
	AtMost  float64 `json:",omitempty"`
}

func atLeast(v float64) Bar { return Bar{AtLeast: v} }

func atMost(v float64) Bar { return Bar{AtMost: v} }

func (b Bar) String() string {
	switch {
	case b.AtLeast > 0:
		return "≥ " + number(b.AtLeast)
	case b.AtMost > 0:
		return "≤ " + number(b.AtMost)
	}
	return ""
}

func (b Bar) holds(v float64) bool { return v >= b.AtLeast && (b.AtMost == 0 || v <= b.AtMost) }

// compare sets Straw's figure against a limit's.
func compare(row, what, unit string, limit, straw Figure, wanted Bar) Result {
	r := Result{Row: row, What: what, Unit: unit, Limit: limit, Straw: straw, Wanted: wanted}
	r.Ratio = straw.Values.over(limit.Values)
	r.Pass = wanted.judge(r.Ratio)
	return r
}

// absolute sets Straw's figure against the bar itself. limit is printed beside it.
func absolute(row, what, unit string, limit, straw Figure, wanted Bar) Result {
	r := Result{Row: row, What: what, Unit: unit, Limit: limit, Straw: straw, Wanted: wanted}
	r.Pass = wanted.judge(straw.Values)
	return r
}

// judge holds a median against the bar; nil if there is no bar or no value.
func (b Bar) judge(values Series) *bool {
	if b == (Bar{}) || len(values) == 0 {
		return nil
	}
	return new(b.holds(values.Median()))
}

// printTable prints results as the table of the design: medians, with their spread from the lowest to the highest round.
func printTable(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "what\tlimit\tStraw\tunit\tratio\twanted\t")
	for _, r := range results {
		limit := r.Limit.Values.text()
		if r.Limit.Name != "" && limit != "" {
			limit += " " + r.Limit.Name
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Row+": "+r.What, limit, r.Straw.Values.text(), r.Unit, r.Ratio.text(), r.Wanted, r.verdict())
		if r.Note != "" {
			fmt.Fprintf(t, "  %s\t\t\t\t\t\t\n", r.Note)
		}
	}
	return t.Flush()
}

func (r Result) verdict() string {
	switch {
	case r.Pass == nil:
		return ""
	case *r.Pass:
		return "ok"
	}
	return "MISSED"
}

func (s Series) text() string {
	switch len(s) {
	case 0:
		return ""
	case 1:
		return number(s[0])
	}
	return fmt.Sprintf("%s [%s–%s]", number(s.Median()), number(s.Min()), number(s.Max()))
}

// number writes three significant digits.
func number(v float64) string {
	size := math.Abs(v)
	switch {
	case size >= 10_000_000:
		return fmt.Sprintf("%.1f M", v/1e6)
	case size >= 1_000_000:
		return fmt.Sprintf("%.2f M", v/1e6)
	case size >= 10_000:
		return thousands(int64(math.Round(v)))
	case size >= 100:
		return fmt.Sprintf("%.0f", v)
	case size >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func thousands(v int64) string {
	digits := fmt.Sprint(v)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
