package config

import "strings"

// nearest returns the known name that takes the fewest edits, and how many.
func nearest(name string, known []string) (best string, distance int) {
	for _, k := range known {
		if d := editDistance(canonical(name), canonical(k)); best == "" || d < distance {
			best, distance = k, d
		}
	}
	return best, distance
}

// canonical makes the spellings of a name alike.
func canonical(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "").Replace(name))
}

// editDistance counts the bytes to insert, remove or replace to make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
