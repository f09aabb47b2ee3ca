// Package picture draws what stands in for products that have no picture of their own.
package picture

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Path is where the drawings are. The number in it changes when drawings do, for browsers keep them for good.
const Path = "/pictures/2/"

// URL returns the address of a product's drawing, which its title decides, too.
func URL(p id.Product, title string) string {
	return Path + names[kindOf(title)] + "-" + p.String() + ".svg"
}

// palettes are a wall, a table, and the colours of what stands on it: quiet, and of one lightness, so that a shelf of them is
// at rest in the light and in the dark.
var palettes = [][]string{
	{"#dcd6ca", "#c6bba8", "#8c6f56", "#a98467", "#6b705c", "#efe9dd"},
	{"#d3dad6", "#b4c2bb", "#4f6d64", "#7d9a8f", "#c98b6b", "#eef2ef"},
	{"#d9d3dc", "#bfb4c6", "#6d5d7b", "#9385a0", "#b98b82", "#f1edf3"},
	{"#d2dae1", "#b1c0cc", "#4a6274", "#7b95a7", "#c4a06c", "#edf2f6"},
	{"#e2d5c9", "#d0b9a4", "#9a5b43", "#bd8367", "#58706d", "#f4ece4"},
	{"#dfdccb", "#c7c3a3", "#7a7546", "#a19c6c", "#a5654a", "#f3f1e4"},
	{"#e0d2d2", "#c9b0b0", "#85504f", "#ab7a78", "#5f7361", "#f4ebeb"},
	{"#d0d9d9", "#a9bcbd", "#2f5a60", "#648a8f", "#d0a78b", "#eaf1f1"},
}

// ParsePath parses the address of a drawing. It returns false for any other address.
func ParsePath(path string) (Kind, id.Product, bool) {
	text, isOurs := strings.CutPrefix(path, Path)
	text, isSVG := strings.CutSuffix(text, ".svg")
	name, number, _ := strings.Cut(text, "-")
	product, err := id.Parse[id.Product](number)
	k := slices.Index(names[:], name)
	return Kind(max(k, 0)), product, isOurs && isSVG && err == nil && k >= 0
}

// The canvas, in its own units.
const (
	canvas = 320
	horiz  = 222 // where the table begins
)

// pen draws into a text, by chance that is the same for one product.
type pen struct {
	strings.Builder
	*rand.Rand
	colours []string // of things, the first of them first
	light   string
}

func (p *pen) f(format string, args ...any) { fmt.Fprintf(p, format, args...) }

// shadow lies at the foot of what stands on the table.
func (p *pen) shadow(x, foot, width int) {
	p.f(`<ellipse cx="%d" cy="%d" rx="%d" ry="7" opacity=".16"/>`, x+12, foot, width)
}

// Draw returns a product's drawing as SVG: what its kind is, on a table or on the wall behind it. It is always the same for one kind
// and product.
func Draw(k Kind, product id.Product) []byte {
	r := rand.New(rand.NewPCG(uint64(product), 0x7469646567617465))
	c := palettes[r.IntN(len(palettes))]
	first := r.IntN(3)
	p := &pen{Rand: r, colours: []string{c[2+first], c[2+(first+1)%3], c[2+(first+2)%3]}, light: c[5]}
	p.f(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d"><path fill="%s" d="M0 0h320v320H0z"/>`, canvas, canvas, c[0])
	if !k.hangs() && r.IntN(3) > 0 {
		p.f(`<circle cx="%d" cy="%d" r="%d" fill="%s"/>`, 60+r.IntN(200), 70+r.IntN(60), 34+r.IntN(46), c[5])
	}
	if !k.hangs() {
		p.f(`<path fill="%s" d="M0 %dh320v98H0z"/>`, c[1], horiz)
	}
	shapes[k](p)
	p.WriteString("</svg>")
	return []byte(p.String())
}

// at writes a coordinate, to a tenth.
func at(f float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") }
