package blackbox

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// secrets are what must stand in no log: what tests have named, and what lies in the shop's folder of keys.
type secrets struct {
	mu    sync.Mutex
	known map[string]bool
}

// secretMin is the shortest secret: shorter texts would be found by chance.
const secretMin = 8

// Secret names something that no process of the shop may log: a password, a token, an address of a person. What the shop has
// logged is searched for it when the test ends. Safe for concurrent use.
func (s *Shop) Secret(text string) {
	if len(text) < secretMin {
		return
	}
	s.secrets.mu.Lock()
	defer s.secrets.mu.Unlock()
	if s.secrets.known == nil {
		s.secrets.known = map[string]bool{}
	}
	s.secrets.known[text] = true
}

// checkLog fails the test where a process has logged a secret.
func (s *Shop) checkLog(p *Process) {
	s.T.Helper()
	s.Secret(s.adminKey())
	_ = filepath.WalkDir(filepath.Join(s.Folder, "keys"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, word := range strings.Fields(string(text)) {
			if !strings.HasPrefix(word, "#") {
				s.Secret(word)
			}
		}
		return err
	})
	log := p.Stderr.String()
	s.secrets.mu.Lock()
	defer s.secrets.mu.Unlock()
	for secret := range s.secrets.known {
		if at := strings.Index(log, secret); at >= 0 {
			line := log[strings.LastIndex(log[:at], "\n")+1:]
			line, _, _ = strings.Cut(line, "\n")
			s.T.Errorf("tidegate %v has logged a secret: %s", p.Args[1:], strings.ReplaceAll(line, secret, "***"))
		}
	}
}

// adminKey is the key that the running process has made for its own machine; empty before one has run.
func (s *Shop) adminKey() string {
	if r := s.at.Load(); r != nil {
		return r.AdminKey
	}
	return ""
}
