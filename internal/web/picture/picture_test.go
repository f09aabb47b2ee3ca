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
	for k := range kinds {
		for p := id.Product(1); p < 60; p++ {
			text := Draw(k, p)
			if !bytes.Equal(text, Draw(k, p)) {
				t.Fatalf("%s %s is drawn in two ways", names[k], p)
			}
			if len(text) > 3500 || bytes.Contains(text, []byte("href")) || bytes.Contains(text, []byte("NaN")) || bytes.Contains(text, []byte("%!")) {
				t.Errorf("%s %s: %d bytes: %s", names[k], p, len(text), text)
			}
			for d := xml.NewDecoder(bytes.NewReader(text)); ; {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%s %s: %v", names[k], p, err)
				}
			}
		}
	}
}

func TestOf(t *testing.T) {
	if k, p, ok := ParsePath(URL(7, "Rose mug")); !ok || p != 7 || k != Vessel {
		t.Errorf("%d, %s, %v", k, p, ok)
	}
	for _, path := range []string{"/pictures/2/vessel-7", "/pictures/2/vessel-x.svg", "/pictures/2/7.svg", "/pictures/2/ship-7.svg", "/pictures/1/7.svg", "/7.svg"} {
		if _, _, ok := ParsePath(path); ok {
			t.Errorf("%s is of a product", path)
		}
	}
}

// A title says what the product is by its last word that is known; nothing that is known is a parcel.
func TestKindOf(t *testing.T) {
	for title, want := range map[string]Kind{
		"Letter 'A' Bling Key Ring": Ring, "Rose Mug": Vessel, "Mug with Hearts": Vessel, "Set of 3 Cake Tins": Box, "Candle in a Tin": Candle,
		"Heart Decoration, Red": Ornament, "Party Bunting": Ornament, "Assorted Doilies": Card, "Pack of 6 Brushes": Tools,
		"Paisley Cushion Cover": Cushion, "Jumbo Bag": Bag, "Feltcraft Doll Rosie": Bricks, "Regency": Parcel, "": Parcel,
		"玫瑰花茶杯": Vessel, "钥匙扣": Ring, "帆布包": Bag, "春节礼品": Parcel,
	} {
		if got := kindOf(title); got != want {
			t.Errorf("%q is drawn as %s, not %s", title, names[got], names[want])
		}
	}
}
