// Package picture draws what stands in for products that have no picture of their own.
package picture

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Path is where the drawings are. The number in it changes when drawings do, for browsers keep them for good.
const Path = "/pictures/1/"

// URL returns the address of a product's drawing.
func URL(p id.Product) string { return Path + p.String() + ".svg" }

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

// Of reads which product a drawing's address is of. It returns false for another address.
func Of(path string) (id.Product, bool) {
	text, isOurs := strings.CutPrefix(path, Path)
	text, isSVG := strings.CutSuffix(text, ".svg")
	product, err := id.Parse[id.Product](text)
	return product, isOurs && isSVG && err == nil
}

// The canvas, in its own units.
const (
	canvas = 320
	horiz  = 222 // where the table begins
)

// Draw returns a product's drawing as SVG: one to three vessels on a table, before a wall. It is always the same for one
// product.
func Draw(p id.Product) []byte {
	r := rand.New(rand.NewPCG(uint64(p), 0x7469646567617465))
	c := palettes[r.IntN(len(palettes))]
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d"><path fill="%s" d="M0 0h320v320H0z"/>`, canvas, canvas, c[0])
	if r.IntN(3) > 0 {
		fmt.Fprintf(&b, `<circle cx="%d" cy="%d" r="%d" fill="%s"/>`, 60+r.IntN(200), 70+r.IntN(60), 34+r.IntN(46), c[5])
	}
	fmt.Fprintf(&b, `<path fill="%s" d="M0 %dh320v98H0z"/>`, c[1], horiz)
	n := 1 + r.IntN(3)
	places := map[int][]int{1: {160}, 2: {112, 214}, 3: {82, 166, 246}}[n]
	colours := []string{c[2], c[3], c[4]}
	first := r.IntN(3)
	for i, x := range places {
		height := 90 + r.IntN(90)
		if n == 1 {
			height = 130 + r.IntN(50)
		}
		drawVessel(&b, r, x+r.IntN(13)-6, 240+r.IntN(30), height, n, colours[(first+i)%3], c[5])
	}
	b.WriteString("</svg>")
	return []byte(b.String())
}

// drawVessel draws something turned on a wheel: an outline from lip to foot, mirrored, with a shadow and a light.
func drawVessel(b *strings.Builder, r *rand.Rand, x, foot, height, crowd int, colour, light string) {
	widest := 62 - 12*crowd + r.IntN(16)
	lip := widest*(30+r.IntN(60))/100 + 4
	neck := min(lip, widest)*(55+r.IntN(45))/100 + 3
	base := widest*(45+r.IntN(40))/100 + 4
	shoulder := 35 + r.IntN(40) // where it is widest, in percent from the top
	radii := []float64{float64(lip), float64(neck), float64(widest), float64(base)}
	heights := []float64{0, 0.18, float64(shoulder) / 100, 1}
	fmt.Fprintf(b, `<ellipse cx="%d" cy="%d" rx="%d" ry="7" opacity=".16"/>`, x+14, foot, base+22)
	top := float64(foot - height)
	y := func(i int) float64 { return top + heights[i]*float64(height) }
	side := func(sign float64) string {
		var d strings.Builder
		for step := range 3 {
			i := step
			if sign < 0 {
				i = 3 - step
			}
			j := i + int(sign)
			half := (y(j) - y(i)) / 2
			fmt.Fprintf(&d, "C%s %s %s %s %s %s", at(float64(x)+sign*radii[i]), at(y(i)+half), at(float64(x)+sign*radii[j]), at(y(j)-half), at(float64(x)+sign*radii[j]), at(y(j)))
		}
		return d.String()
	}
	fmt.Fprintf(b, `<path fill="%s" d="M%s %s%sH%s%sz"/>`, colour, at(float64(x+lip)), at(top), side(1), at(float64(x-base)), side(-1))
	fmt.Fprintf(b, `<ellipse cx="%d" cy="%d" rx="%d" ry="%s" fill="%s"/>`, x, foot, base, at(float64(base)/9), colour)
	mouth := fmt.Sprintf(`<ellipse cx="%d" cy="%s" rx="%d" ry="%s"`, x, at(top), lip, at(math.Max(2, float64(lip)/8)))
	fmt.Fprintf(b, `%s fill="%s"/>%s opacity=".28"/>`, mouth, colour, mouth)
	fmt.Fprintf(b, `<ellipse cx="%s" cy="%s" rx="%s" ry="%s" fill="%s" opacity=".22"/>`,
		at(float64(x)-float64(widest)*0.45), at(y(2)+float64(height)*0.08), at(float64(widest)*0.14), at(float64(height)*0.22), light)
}

// at writes a coordinate, to a tenth.
func at(f float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") }
