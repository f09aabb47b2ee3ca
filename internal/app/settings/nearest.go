package settings

import "slices"

// Nearest returns the candidate with the smallest edit distance to name, and false where none is close enough to be what
// was meant: a third of the name may differ.
func Nearest(name string, candidates []string) (string, bool) {
	slices.Sort(candidates)
	best, least := "", len(name)/3+1
	for _, c := range candidates {
		if d := distance(name, c); d < least {
			best, least = c, d
		}
	}
	return best, best != ""
}

func didYouMean(near string) string {
	if near == "" {
		return "; `tidegate config` lists them all"
	}
	return "; did you mean " + near + "?"
}

// distance is Levenshtein's, over bytes: keys are ASCII.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func keys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	return names
}
