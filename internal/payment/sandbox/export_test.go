package sandbox

import "fmt"

// CheckWords returns an error for words that one language has and another lacks.
func CheckWords() error {
	for tag, all := range words.words {
		for other, theirs := range words.words {
			for key := range theirs {
				if all[key] == "" {
					return fmt.Errorf("%s lacks %s, which %s has", tag, key, other)
				}
			}
		}
	}
	return nil
}
