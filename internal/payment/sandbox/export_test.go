package sandbox

import "fmt"

// CheckWords returns an error for texts that are missing in a language.
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
