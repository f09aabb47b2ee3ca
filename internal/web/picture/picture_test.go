package picture

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// A drawing is always the same, is XML, weighs little, and asks nobody for anything.
func TestDraw(t *testing.T) {
	for p := id.Product(1); p < 300; p++ {
		text := Draw(p)
		if !bytes.Equal(text, Draw(p)) {
			t.Fatalf("product %s is drawn in two ways", p)
		}
		if len(text) > 3500 || bytes.Contains(text, []byte("href")) || bytes.Contains(text, []byte("NaN")) {
			t.Errorf("product %s: %d bytes: %s", p, len(text), text)
		}
		for d := xml.NewDecoder(bytes.NewReader(text)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("product %s: %v", p, err)
			}
		}
	}
}

func TestOf(t *testing.T) {
	if p, ok := Of(URL(7)); !ok || p != 7 {
		t.Errorf("%s, %v", p, ok)
	}
	for _, path := range []string{"/pictures/1/7", "/pictures/1/x.svg", "/pictures/2/7.svg", "/7.svg"} {
		if _, ok := Of(path); ok {
			t.Errorf("%s is of a product", path)
		}
	}
}
